"""What an environment costs a month though nothing runs: its synthesised templates, priced.

The templates say what there will be, whatever stacks there are. Types that cost by use only are named, so that a type
that nobody has thought of is told apart from one that is free.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingot.cost.prices import Prices
from ingot.errors import ConfigurationError

Template = Mapping[str, Any]
Properties = Mapping[str, Any]
Resources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Resources of one type in one stack.

    Attributes:
        stack: its name.
        what: the type, without ``AWS::``.
        count: how many there are.
        price: its name in the table; None: it costs by use only, or it is not known what it costs.
        quantity: of the price's units, a month.
        usd: a month.
        note: how it costs, where it is not the price alone.
    """

    stack: str
    what: str
    count: int
    price: str | None
    quantity: Decimal
    usd: Decimal
    note: str

    @property
    def unknown(self) -> bool:
        """Whether it may cost something that nobody has put into the table."""
        return self.price is None and self.note.endswith(UNKNOWN)


def read_templates(assembly: Path, environment: str) -> dict[str, Template]:
    """Stack → template, of one environment.

    Raises:
        ConfigurationError: there are none.
    """
    suffix = ".template.json"
    files = sorted(assembly.glob(f"ingot-{environment}-*{suffix}"))
    if not files:
        raise ConfigurationError(
            f"There are no templates of the environment {environment} in {assembly}.",
            hint=f"run `cdk synth -c environment={environment}`, or name the folder with --assembly",
        )
    return {file.name.removesuffix(suffix): json.loads(file.read_text(encoding="utf-8")) for file in files}


def fixed_lines(templates: Mapping[str, Template], prices: Prices) -> list[Line]:
    """What each stack costs a month, the dearest first; then what costs by use, then what is not known."""
    lines = [line for stack, template in templates.items() for line in _lines(stack, template, prices)]
    return sorted(lines, key=lambda line: (-line.usd, line.price is None, line.unknown, line.stack, line.what))


UNKNOWN = "not in the table of prices"


def _lines(stack: str, template: Template, prices: Prices) -> Iterator[Line]:
    resources: Resources = template.get("Resources", {})
    kinds = sorted({str(resource["Type"]) for resource in resources.values()})
    for kind in kinds:
        same = {name: each for name, each in resources.items() if each["Type"] == kind}
        what = kind.removeprefix("AWS::")
        if kind in _FREE or not kind.startswith("AWS::"):
            continue
        if kind not in _PRICED:
            note = _BY_USE.get(kind, UNKNOWN)
            yield Line(
                stack=stack, what=what, count=len(same), price=None, quantity=Decimal(0), usd=Decimal(0), note=note
            )
            continue
        used: dict[str, Decimal] = {}
        for name, each in same.items():
            for price, quantity in _PRICED[kind](name, each.get("Properties", {}), resources):
                used[price] = used.get(price, Decimal(0)) + quantity
        if not used and kind in _BY_USE:  # a pipeline of type V2
            yield Line(
                stack=stack,
                what=what,
                count=len(same),
                price=None,
                quantity=Decimal(0),
                usd=Decimal(0),
                note=_BY_USE[kind].removeprefix("and "),
            )
        for price, quantity in used.items():
            if price not in prices.prices:
                note = f"{price} is {UNKNOWN}"
                yield Line(
                    stack=stack, what=what, count=len(same), price=None, quantity=Decimal(0), usd=Decimal(0), note=note
                )
                continue
            hourly = prices[price].unit.endswith("-hour")
            monthly = quantity * prices.hours_per_month if hourly else quantity
            yield Line(
                stack=stack,
                what=what,
                count=len(same),
                price=price,
                quantity=monthly,
                usd=monthly * prices[price].usd,
                note=_BY_USE.get(kind, ""),
            )


# A price's name and how many of its units there are at any time.
Used = Iterable[tuple[str, Decimal]]


def _each(price: str) -> Callable[[str, Properties, Resources], Used]:
    return lambda name, properties, resources: [(price, Decimal(1))]


def _endpoint(name: str, properties: Properties, resources: Resources) -> Used:
    # A gateway endpoint, S3's, is free; an interface endpoint costs in every zone that it is in.
    if properties.get("VpcEndpointType") == "Interface":
        yield "interface-endpoint", Decimal(len(properties["SubnetIds"]))


def _aurora(name: str, properties: Properties, resources: Resources) -> Used:
    capacity = properties.get("ServerlessV2ScalingConfiguration")
    if capacity is None:
        raise ConfigurationError(
            f"{name} is an Aurora cluster that is not serverless.", hint="the table of prices knows ACUs only"
        )
    instances = sum(
        each["Type"] == "AWS::RDS::DBInstance" and each["Properties"].get("DBClusterIdentifier") == {"Ref": name}
        for each in resources.values()
    )
    yield "aurora-acu", Decimal(str(capacity["MinCapacity"])) * instances


def _mwaa(name: str, properties: Properties, resources: Resources) -> Used:
    size = properties.get("EnvironmentClass", "mw1.small").replace(".", "-")
    yield f"{size}-environment", Decimal(1)
    # One worker and, but for the smallest, two schedulers and two web servers are the environment's own.
    workers = int(properties.get("MinWorkers", 1)) - 1
    if workers > 0:
        yield f"{size}-worker", Decimal(workers)
    schedulers = int(properties.get("Schedulers", 2)) - 2
    if schedulers > 0:
        yield f"{size}-scheduler", Decimal(schedulers)
    # In each of its two subnets MWAA makes an endpoint for its database and, if its pages are private, one for these:
    # https://docs.aws.amazon.com/mwaa/latest/userguide/vpc-vpe-access.html
    private = properties.get("WebserverAccessMode") == "PRIVATE_ONLY"
    yield "interface-endpoint", Decimal(2 * (2 if private else 1))


def _stream(name: str, properties: Properties, resources: Resources) -> Used:
    if properties.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND":
        yield "kinesis-on-demand-stream", Decimal(1)
    else:
        yield "kinesis-shard", Decimal(properties.get("ShardCount", 1))


def _metrics(name: str, properties: Properties, resources: Resources) -> Used:
    yield "cloudwatch-metric", Decimal(len(properties["MetricTransformations"]))


def _fargate(name: str, properties: Properties, resources: Resources) -> Used:
    definition = resources[properties["TaskDefinition"]["Ref"]]["Properties"]
    arm = definition.get("RuntimePlatform", {}).get("CpuArchitecture") == "ARM64"
    tasks = Decimal(properties.get("DesiredCount", 1))
    suffix = "-arm" if arm else ""
    yield f"fargate-vcpu{suffix}", tasks * Decimal(definition["Cpu"]) / 1024
    yield f"fargate-gb{suffix}", tasks * Decimal(definition["Memory"]) / 1024


def _load_balancer(name: str, properties: Properties, resources: Resources) -> Used:
    yield "load-balancer", Decimal(1)
    if properties.get("Scheme") != "internal":  # an address in each of its subnets
        yield "public-ipv4", Decimal(len(properties["Subnets"]))


def _pipeline(name: str, properties: Properties, resources: Resources) -> Used:
    if properties.get("PipelineType", "V1") == "V1":
        yield "codepipeline-v1", Decimal(1)


_PRICED: Mapping[str, Callable[[str, Properties, Resources], Used]] = {
    "AWS::KMS::Key": _each("kms-key"),
    "AWS::SecretsManager::Secret": _each("secret"),
    "AWS::EC2::NatGateway": _each("nat-gateway"),
    "AWS::EC2::EIP": _each("public-ipv4"),
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECS::Service": _fargate,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::RDS::DBCluster": _aurora,
    "AWS::MWAA::Environment": _mwaa,
    "AWS::Kinesis::Stream": _stream,
    "AWS::CloudWatch::Alarm": _each("cloudwatch-alarm"),
    "AWS::CloudWatch::CompositeAlarm": _each("cloudwatch-composite-alarm"),
    "AWS::CloudWatch::Dashboard": _each("cloudwatch-dashboard"),
    "AWS::Logs::MetricFilter": _metrics,
    "AWS::CodePipeline::Pipeline": _pipeline,
}

_BY_USE: Mapping[str, str] = {
    "AWS::Athena::WorkGroup": "by the TB that queries read",
    "AWS::CodeBuild::Project": "by the minute of builds",
    "AWS::CodePipeline::Pipeline": "by the minute of its actions",
    "AWS::EC2::FlowLog": "by the GB of logs",
    "AWS::EC2::NatGateway": "and by the GB that passes",
    "AWS::EC2::VPCEndpoint": "and by the GB that passes",
    "AWS::ECR::Repository": "by the GB stored",
    "AWS::ECS::Service": "and twice that while a deployment goes on",
    "AWS::ECS::TaskDefinition": "by the second of tasks, a vCPU and a GB of memory",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "and by the LCU-hour: connections, requests and GB that pass",
    "AWS::Glue::Job": "by the second of runs, a DPU: see `ingot cost runs`",
    "AWS::Glue::DataQualityRuleset": "by the second of evaluations, a DPU",
    "AWS::Kinesis::Stream": "and by the GB",
    "AWS::KinesisFirehose::DeliveryStream": "by the GB delivered",
    "AWS::KMS::Key": "and by the request; a rotated key adds its older versions, two at most",
    "AWS::Lambda::Function": "by the request and the second",
    "AWS::Logs::LogGroup": "by the GB of logs",
    "AWS::MWAA::Environment": "and by workers beside the least, and the GB of its database",
    "AWS::RDS::DBCluster": "the least capacity; and by load, the GB stored and a million of I/O",
    "AWS::RedshiftServerless::Namespace": "by the GB stored",
    "AWS::RedshiftServerless::Workgroup": "by the second of queries, an RPU",
    "AWS::S3::Bucket": "by the GB stored and the request: see `ingot cost runs`",
    "AWS::SecretsManager::Secret": "and by the request",
    "AWS::SNS::Topic": "by the message",
    "AWS::SQS::Queue": "by the request",
    "AWS::Scheduler::Schedule": "by the invocation",
    "AWS::StepFunctions::StateMachine": "by the state transition",
    "AWS::Synthetics::Canary": "by the run",
    "AWS::XRay::Group": "by the trace",
}

# No price, and nothing that grows with use beside the above.
_FREE = frozenset(
    f"AWS::{kind}"
    for kind in (
        "Athena::NamedQuery",
        "CDK::Metadata",
        "EC2::InternetGateway",
        "EC2::NetworkAcl",
        "EC2::NetworkAclEntry",
        "EC2::Route",
        "EC2::RouteTable",
        "EC2::SecurityGroup",
        "EC2::SecurityGroupEgress",
        "EC2::SecurityGroupIngress",
        "EC2::Subnet",
        "EC2::SubnetNetworkAclAssociation",
        "EC2::SubnetRouteTableAssociation",
        "EC2::VPC",
        "EC2::VPCGatewayAttachment",
        "ECS::Cluster",
        "ElasticLoadBalancingV2::Listener",
        "ElasticLoadBalancingV2::TargetGroup",
        "Events::EventBusPolicy",
        "Events::Rule",
        "Glue::Connection",
        "Glue::Database",
        "Glue::SecurityConfiguration",
        "Glue::Table",
        "IAM::InstanceProfile",
        "IAM::ManagedPolicy",
        "IAM::OIDCProvider",
        "IAM::Policy",
        "IAM::Role",
        "IAM::ServiceLinkedRole",
        "KMS::Alias",
        "LakeFormation::DataLakeSettings",
        "LakeFormation::Permissions",
        "LakeFormation::PrincipalPermissions",
        "LakeFormation::Resource",
        "LakeFormation::Tag",
        "LakeFormation::TagAssociation",
        "Lambda::EventSourceMapping",
        "Lambda::LayerVersion",
        "Lambda::Permission",
        "Logs::LogStream",
        "Logs::QueryDefinition",
        "Logs::ResourcePolicy",
        "RDS::DBClusterParameterGroup",
        "RDS::DBInstance",  # its capacity is the cluster's
        "RDS::DBParameterGroup",
        "RDS::DBSubnetGroup",
        "S3::BucketPolicy",
        "SNS::Subscription",
        "SNS::TopicPolicy",
        "SQS::QueuePolicy",
        "SSM::Parameter",
        "Scheduler::ScheduleGroup",
        "WAFv2::WebACLAssociation",
        "SecretsManager::ResourcePolicy",
        "SecretsManager::RotationSchedule",
        "SecretsManager::SecretTargetAttachment",
    )
)
