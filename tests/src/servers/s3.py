"""moto's S3 on one port, one request at a time, so that "create if absent" is atomic. Signatures are
checked against the one key that it knows: moto lets everybody in unless it is told not to."""

import json
import sys

from moto import settings
from moto.iam import iam_backends
from moto.s3 import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

port, bucket, key, secret = int(sys.argv[1]), *sys.argv[2:5]
s3_backends["123456789012"]["aws"].create_bucket(bucket, "us-east-1")  # the account that every key has

iam = iam_backends["123456789012"]["aws"]
iam.create_user("us-east-1", "lifeboat")
allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy("lifeboat", "everything", json.dumps(allowed))
made = iam.create_access_key("lifeboat")
made.access_key_id, made.secret_access_key = key, secret
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

run_simple("127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=False)
