"""The part of Glue's own package that a job without Spark needs: `awsglue.utils`."""
