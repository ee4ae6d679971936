"""moto's S3 on one port, one request at a time, so that "create if absent" is atomic. Signatures are
checked against the keys that it knows, and so are the policies of their users: moto lets everybody in
unless it is told not to. Beside the one that may do everything there is a user for each branch, who may
do everything below a prefix and nothing elsewhere, and a role that a machine has."""

import json
import re
import sys
from fnmatch import fnmatchcase
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import unescape

from moto import settings
from moto.iam import iam_backends
from moto.iam.access_control import IAMPolicy, S3IAMRequest
from moto.iam.policy_conditions import CONDITION_OPERATIONS
from moto.s3 import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sts import sts_backends
from werkzeug.serving import run_simple

port, bucket, key, secret = int(sys.argv[1]), *sys.argv[2:5]
s3_backends["123456789012"]["aws"].create_bucket(bucket, "us-east-1")  # the account that every key has

iam = iam_backends["123456789012"]["aws"]


def add_user(name, key, secret, statements):
    iam.create_user("us-east-1", name)
    iam.put_user_policy(name, "own", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    made = iam.create_access_key(name)
    made.access_key_id, made.secret_access_key = key, secret


everything = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
add_user("lifeboat", key, secret, everything)
for branch in sys.argv[5:]:
    # What Amazon's guide gives a user of one folder of a shared bucket.
    objects = ["s3:GetObject", "s3:HeadObject", "s3:PutObject", "s3:DeleteObject"]
    add_user(branch, f"{key}-{branch}", f"{secret}-{branch}", [
        {"Effect": "Allow", "Action": objects, "Resource": f"arn:aws:s3:::{bucket}/{branch}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}",
         "Condition": {"StringLike": {"s3:prefix": [branch, f"{branch}/*"]}}},
    ])

role = iam.create_role("machine", json.dumps({"Version": "2012-10-17", "Statement": []}), "/", None, "", [], "3600")
iam.put_role_policy("machine", "own", json.dumps({"Version": "2012-10-17", "Statement": everything}))
assumed = sts_backends["123456789012"]["aws"].assume_role("us-east-1", "machine", role.arn, "", 3600, "")
assumed.access_key_id, assumed.secret_access_key, assumed.session_token = f"{key}-role", secret, f"{key}-token"

settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

# moto passes over conditions that it does not know, `StringLike` among them, is not told the prefix of a
# listing, and asks of a request that deletes many objects whether it may delete the bucket's: with these
# three it enforces what the policies say.
CONDITION_OPERATIONS["StringLike"] = lambda patterns, value: any(fnmatchcase(value, p) for p in patterns)
checked = S3IAMRequest.check_action_permitted
permitted = IAMPolicy.is_action_permitted


def check_action_permitted(request, resource):
    query = parse_qs(urlsplit(request._path).query, keep_blank_values=True)
    IAMPolicy.is_action_permitted = lambda policy, action, resource: permitted(
        policy, action, resource, None, {"s3:prefix": query.get("prefix", [""])[0]})
    resources = [resource]
    if request._method == "POST" and "delete" in query:
        body = request._body.decode() if isinstance(request._body, bytes) else request._body
        request._action = "s3:DeleteObject"
        resources = [f"{resource}/{unescape(key)}" for key in re.findall("<Key>(.*?)</Key>", body)]
        assert resources, body
    for resource in resources:
        checked(request, resource)


S3IAMRequest.check_action_permitted = check_action_permitted

# moto looks for the key in the header alone. In a signed address it stands in the query: what its user may do is
# checked of it too. Its signature is not: the server that enforces locks checks those.
begin, check_signature = S3IAMRequest.__init__, S3IAMRequest.check_signature


def begin_with_address(request, *, path, headers, **rest):
    credential = parse_qs(urlsplit(path).query).get("X-Amz-Credential")
    request.by_address = credential is not None
    if request.by_address:
        headers = {**headers, "Authorization": f"Credential={credential[0]},"}
    begin(request, path=path, headers=headers, **rest)


S3IAMRequest.__init__ = begin_with_address
S3IAMRequest.check_signature = lambda request: request.by_address or check_signature(request)

run_simple("127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=False)
