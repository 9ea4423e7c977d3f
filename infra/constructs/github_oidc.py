"""Roles for GitHub Actions, taken with the token that GitHub gives a job: no key is stored anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
SESSION = cdk.Duration.hours(2)
"""A first deployment takes an hour: Aurora, then MWAA, then the smoke test."""
DEPLOY_ROLES = ("deploy", "file-publishing", "image-publishing", "lookup")
"""Those of `cdk bootstrap` that `cdk deploy` takes; CloudFormation then has rights of its own."""


class GitHubOidcProvider(Construct):
    """GitHub as one who says who a job is. An account has one.

    Args:
        scope, id: as for every construct.
        arn: of the one that is there.
            @default None: it is made.

    Attributes:
        arn: the provider's.

    Example::

        provider = GitHubOidcProvider(self, "GitHub")
    """

    def __init__(self, scope: Construct, id: str, *, arn: str | None = None) -> None:
        super().__init__(scope, id)
        # No thumbprint: AWS trusts GitHub's certificate by its own store of authorities
        # (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html).
        self.arn = (
            arn or iam.CfnOIDCProvider(self, "Provider", url=f"https://{ISSUER}", client_id_list=[AUDIENCE]).attr_arn
        )


class GitHubRole(Construct):
    """A role for jobs of one repository that GitHub calls by one subject.

    The subject is compared as a whole: ``repo:OWNER/NAME:environment:prod`` or ``repo:OWNER/NAME:pull_request``
    (https://docs.github.com/actions/reference/security/oidc). A job that names an environment passes the rules that
    the repository has for it: who approves, and which branches may.

    Args:
        scope, id: as for every construct.
        name: the role's.
        description: what it is for.
        provider: GitHub's.
        repository: ``OWNER/NAME``.
        subject: the rest of it.
        statements: what it may do.

    Attributes:
        role: the role.

    Example::

        GitHubRole(self, "prod", name="ingot-delivery-github-prod", description="Deploys prod", provider=provider,
            repository="example/shop", subject="environment:prod",
            statements=[assume_bootstrap_roles(["deploy", "lookup"], account="111111111111", region="us-east-1")])
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        description: str,
        provider: GitHubOidcProvider,
        repository: str,
        subject: str,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(scope, id)
        self.role = iam.Role(
            self,
            "Role",
            role_name=name,
            description=description,
            max_session_duration=SESSION,
            assumed_by=iam.WebIdentityPrincipal(
                provider.arn,
                {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": f"repo:{repository}:{subject}"}},
            ),
            inline_policies={"GitHub": iam.PolicyDocument(statements=list(statements))},
        )


def assume_bootstrap_roles(kinds: Iterable[str], *, account: str, region: str) -> iam.PolicyStatement:
    """The right to take roles of `cdk bootstrap` in one account and region."""
    qualifier = cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER
    return iam.PolicyStatement(
        actions=["sts:AssumeRole"],
        resources=[
            f"arn:{cdk.Aws.PARTITION}:iam::{account}:role/cdk-{qualifier}-{kind}-role-{account}-{region}"
            for kind in kinds
        ],
    )
