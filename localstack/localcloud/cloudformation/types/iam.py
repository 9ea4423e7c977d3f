"""AWS::IAM::Role, Policy and ManagedPolicy."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Role(ResourceType):
    name = "AWS::IAM::Role"
    replaced_by = frozenset({"RoleName", "Path"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("RoleName") or context.name(longest=64)
        context.call(
            "iam",
            "CreateRole",
            RoleName=name,
            Path=properties.take("Path"),
            AssumeRolePolicyDocument=json.dumps(properties.require("AssumeRolePolicyDocument")),
            Description=properties.take("Description"),
            MaxSessionDuration=properties.take("MaxSessionDuration"),
            PermissionsBoundary=properties.take("PermissionsBoundary"),
            Tags=properties.take("Tags"),
        )
        try:
            self._set_policies(context, name, properties, {})
        except Exception:
            self.delete(context, name, {})
            raise
        return self._described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in self.replaced_by:
            properties.take(fixed)
        trust = json.dumps(properties.require("AssumeRolePolicyDocument"))
        context.call("iam", "UpdateAssumeRolePolicy", RoleName=physical_id, PolicyDocument=trust)
        context.call(
            "iam",
            "UpdateRole",
            RoleName=physical_id,
            Description=properties.take("Description") or "",
            MaxSessionDuration=properties.take("MaxSessionDuration"),
        )
        boundary = properties.take("PermissionsBoundary")
        if boundary != old.get("PermissionsBoundary"):
            if boundary:
                context.call("iam", "PutRolePermissionsBoundary", RoleName=physical_id, PermissionsBoundary=boundary)
            else:
                context.call("iam", "DeleteRolePermissionsBoundary", RoleName=physical_id)
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("iam", "UntagRole", RoleName=physical_id, TagKeys=gone)
        if tags:
            context.call("iam", "TagRole", RoleName=physical_id, Tags=tags)
        self._set_policies(context, physical_id, properties, old)
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        for policy in context.call("iam", "ListRolePolicies", RoleName=physical_id)["PolicyNames"]:
            context.call("iam", "DeleteRolePolicy", RoleName=physical_id, PolicyName=policy)
        for policy in context.call("iam", "ListAttachedRolePolicies", RoleName=physical_id)["AttachedPolicies"]:
            context.call("iam", "DetachRolePolicy", RoleName=physical_id, PolicyArn=policy["PolicyArn"])
        context.call("iam", "DeleteRole", RoleName=physical_id)

    @staticmethod
    def _set_policies(context: Context, role: str, properties: Properties, old: dict[str, Any]) -> None:
        inline = {policy["PolicyName"]: policy["PolicyDocument"] for policy in properties.take("Policies") or []}
        for policy in old.get("Policies") or []:
            if policy["PolicyName"] not in inline:
                context.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=policy["PolicyName"])
        for name, document in inline.items():
            text = json.dumps(document)
            context.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=text)
        attached = set(properties.take("ManagedPolicyArns") or [])
        before = set(old.get("ManagedPolicyArns") or [])
        for arn in sorted(before - attached):
            context.call("iam", "DetachRolePolicy", RoleName=role, PolicyArn=arn)
        for arn in sorted(attached - before):
            context.call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=arn)

    @staticmethod
    def _described(context: Context, name: str) -> Resource:
        role = context.call("iam", "GetRole", RoleName=name)["Role"]
        return Resource(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


@register
class Policy(ResourceType):
    """An inline policy of one or more roles. Users and groups are not supported, and so refused."""

    name = "AWS::IAM::Policy"
    replaced_by = frozenset({"PolicyName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.require("PolicyName")
        self._put(context, name, properties, set())
        return Resource(name, {"Id": name})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("PolicyName")
        self._put(context, physical_id, properties, set(old.get("Roles") or []))
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        for role in properties.get("Roles") or []:
            context.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=physical_id)

    @staticmethod
    def _put(context: Context, name: str, properties: Properties, before: set[str]) -> None:
        roles = properties.require("Roles")
        document = json.dumps(properties.require("PolicyDocument"))
        for role in sorted(before - set(roles)):
            context.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=name)
        for role in roles:
            context.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=document)


@register
class ManagedPolicy(ResourceType):
    name = "AWS::IAM::ManagedPolicy"
    replaced_by = frozenset({"ManagedPolicyName", "Path", "Description"})

    def create(self, context: Context, properties: Properties) -> Resource:
        arn = context.call(
            "iam",
            "CreatePolicy",
            PolicyName=properties.take("ManagedPolicyName") or context.name(),
            Path=properties.take("Path"),
            Description=properties.take("Description"),
            PolicyDocument=json.dumps(properties.require("PolicyDocument")),
        )["Policy"]["Arn"]
        self._attach(context, arn, set(), set(properties.take("Roles") or []))
        return Resource(arn, {"PolicyArn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in self.replaced_by:
            properties.take(fixed)
        document = json.dumps(properties.require("PolicyDocument"))
        if properties.take("PolicyDocument") != old.get("PolicyDocument"):
            # A policy has at most five versions: the ones that are not the default go first.
            for version in context.call("iam", "ListPolicyVersions", PolicyArn=physical_id)["Versions"]:
                if not version["IsDefaultVersion"]:
                    context.call("iam", "DeletePolicyVersion", PolicyArn=physical_id, VersionId=version["VersionId"])
            context.call(
                "iam", "CreatePolicyVersion", PolicyArn=physical_id, PolicyDocument=document, SetAsDefault=True
            )
        self._attach(context, physical_id, set(old.get("Roles") or []), set(properties.take("Roles") or []))
        return Resource(physical_id, {"PolicyArn": physical_id})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        entities = context.call("iam", "ListEntitiesForPolicy", PolicyArn=physical_id)
        for role in entities["PolicyRoles"]:
            context.call("iam", "DetachRolePolicy", RoleName=role["RoleName"], PolicyArn=physical_id)
        context.call("iam", "DeletePolicy", PolicyArn=physical_id)

    @staticmethod
    def _attach(context: Context, arn: str, before: set[str], roles: set[str]) -> None:
        for role in sorted(before - roles):
            context.call("iam", "DetachRolePolicy", RoleName=role, PolicyArn=arn)
        for role in sorted(roles - before):
            context.call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=arn)
