"""LocalStack's S3 alone: it enforces object locks as Amazon does, also against shortening one, which moto lets
through. Presigned URLs are checked; the key is the one that LocalStack knows."""

import os
import sys

port, bucket, plain, home = int(sys.argv[1]), *sys.argv[2:5]
os.environ |= {
    "HOME": home,
    "FILESYSTEM_ROOT": home,
    "SERVICES": "s3",
    "DISABLE_EVENTS": "1",
    "DNS_ADDRESS": "0",
    "GATEWAY_LISTEN": f"127.0.0.1:{port}",
    "S3_SKIP_SIGNATURE_VALIDATION": "0",
}

import boto3
from localstack.aws.app import LocalstackAwsGateway
from localstack.services.plugins import Service, ServiceManager
from localstack.services.s3.provider import S3Provider
from rolo.gateway.wsgi import WsgiGateway
from werkzeug.serving import make_server

services = ServiceManager()
services.add_service(Service.for_provider(S3Provider()))
server = make_server("127.0.0.1", port, WsgiGateway(LocalstackAwsGateway(services)), threaded=True)

if __name__ == "__main__":
    import threading

    threading.Thread(target=server.serve_forever).start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=plain)
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    open(os.path.join(home, "ready"), "w").close()
