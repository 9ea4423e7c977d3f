"""The console, `ingot ui`: the warehouse and the manifests, where people would rather look than read.

Pages are made on the server (FastAPI, Jinja2), every view has an address, and nothing is loaded from elsewhere. What
jobs import never imports this package.
"""
