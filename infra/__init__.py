"""The CDK app: what Ingot is in an AWS account, and on a laptop's local cloud."""

import os

# Node 20 is what Ingot is tested with; jsii would otherwise fill the screen with a notice whenever it starts,
# which is when aws_cdk is first imported.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
