"""moto's S3 on one port, one request at a time, so that "create if absent" is atomic."""

import sys

from moto.s3 import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

port, bucket = int(sys.argv[1]), sys.argv[2]
s3_backends["123456789012"]["aws"].create_bucket(bucket, "us-east-1")  # the account that every key has

run_simple("127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=False)
