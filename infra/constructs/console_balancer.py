"""The load balancer before the console: HTTPS only, and nobody passes whom the identity provider does not know."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from infra.constructs.console_groups import HTTP, HTTPS, PORT
from infra.constructs.network import PrivateNetwork
from infra.deployment import Deployment
from infra.settings import Console, Oidc

TLS = "ELBSecurityPolicy-TLS13-1-3-2021-06"
"""TLS 1.3 alone, which every browser speaks that the console's pages are for:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""
HEALTH = "/healthz"
"""Answers without asking who somebody is: the load balancer asks it itself, past its own door."""
LOG_PREFIX = "console"
_DRAIN_SECONDS = "30"


class ConsoleBalancer(Construct):
    """An application load balancer, its two listeners and the group of what is behind it.

    What comes by HTTP is sent on to HTTPS. There every path is behind OpenID Connect: the balancer signs who somebody
    is into ``x-amzn-oidc-data``, which the console verifies
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html).

    Attributes:
        balancer, targets: the load balancer, and the group that the service registers its tasks with.
        listener: HTTPS, which has to be there before the service.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: see :class:`infra.settings.Console`.
        network: where it stands.
        access_logs: the lake's bucket of access logs, which lies under S3's own key, as the balancer's have to.

    Example::

        ConsoleBalancer(self, "Balancer", deployment, settings=settings, network=network, access_logs=lake.access_logs)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: Console,
        network: PrivateNetwork,
        access_logs: s3.IBucket,
    ) -> None:
        super().__init__(scope, id)
        assert network.console is not None  # it is made where the settings have a console
        name = deployment.names.console
        self._take_logs(access_logs)
        self.balancer = elb.CfnLoadBalancer(
            self,
            "Balancer",
            name=name,
            type="application",
            scheme="internal" if settings.internal else "internet-facing",
            ip_address_type="ipv4",
            subnets=[subnet.subnet_id for subnet in network.balancer_subnets],
            security_groups=[network.console.balancer.security_group_id],
            load_balancer_attributes=[
                elb.CfnLoadBalancer.LoadBalancerAttributeProperty(key=key, value=value)
                for key, value in {
                    "access_logs.s3.enabled": "true",
                    "access_logs.s3.bucket": access_logs.bucket_name,
                    "access_logs.s3.prefix": LOG_PREFIX,
                    "deletion_protection.enabled": str(deployment.settings.protect_data).lower(),
                    "routing.http.drop_invalid_header_fields.enabled": "true",
                    "routing.http.desync_mitigation_mode": "strictest",
                }.items()
            ],
        )
        self.balancer.node.add_dependency(access_logs)
        self.targets = elb.CfnTargetGroup(
            self,
            "Targets",
            name=name,
            vpc_id=network.vpc.vpc_id,
            target_type="ip",
            protocol="HTTP",
            port=PORT,
            health_check_enabled=True,
            health_check_protocol="HTTP",
            health_check_path=HEALTH,
            health_check_interval_seconds=15,
            health_check_timeout_seconds=5,
            healthy_threshold_count=2,
            unhealthy_threshold_count=3,
            matcher=elb.CfnTargetGroup.MatcherProperty(http_code="200"),
            target_group_attributes=[
                elb.CfnTargetGroup.TargetGroupAttributeProperty(
                    key="deregistration_delay.timeout_seconds", value=_DRAIN_SECONDS
                )
            ],
        )
        self.listener = self._https(settings)
        self._http()
        if settings.web_acl:
            wafv2.CfnWebACLAssociation(self, "WebAcl", resource_arn=self.balancer.ref, web_acl_arn=settings.web_acl)

    def _https(self, settings: Console) -> elb.CfnListener:
        action = elb.CfnListener.ActionProperty
        return elb.CfnListener(
            self,
            "Https",
            load_balancer_arn=self.balancer.ref,
            protocol="HTTPS",
            port=HTTPS,
            ssl_policy=TLS,
            certificates=[elb.CfnListener.CertificateProperty(certificate_arn=settings.certificate)],
            default_actions=[
                action(type="authenticate-oidc", order=1, authenticate_oidc_config=_oidc(settings.oidc)),
                action(type="forward", order=2, target_group_arn=self.targets.ref),
            ],
        )

    def _http(self) -> None:
        elb.CfnListener(
            self,
            "Http",
            load_balancer_arn=self.balancer.ref,
            protocol="HTTP",
            port=HTTP,
            default_actions=[
                elb.CfnListener.ActionProperty(
                    type="redirect",
                    redirect_config=elb.CfnListener.RedirectConfigProperty(
                        protocol="HTTPS", port=str(HTTPS), status_code="HTTP_301"
                    ),
                )
            ],
        )

    def _take_logs(self, bucket: s3.IBucket) -> None:
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html"""
        account = cdk.Stack.of(self).account
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects(f"{LOG_PREFIX}/AWSLogs/{account}/*")],
                conditions={"StringEquals": {"aws:SourceAccount": account}},
            )
        )


def _oidc(oidc: Oidc) -> elb.CfnListener.AuthenticateOidcConfigProperty:
    # A reference that CloudFormation resolves in the account: the secret is in no template.
    secret = cdk.SecretValue.secrets_manager(oidc.client_secret, json_field="client_secret")
    return elb.CfnListener.AuthenticateOidcConfigProperty(
        issuer=oidc.issuer,
        authorization_endpoint=oidc.authorization_endpoint,
        token_endpoint=oidc.token_endpoint,
        user_info_endpoint=oidc.user_info_endpoint,
        client_id=oidc.client_id,
        client_secret=secret.unsafe_unwrap(),
        scope=oidc.scope,
        session_timeout=str(oidc.session_hours * 3600),
        on_unauthenticated_request="authenticate",
    )
