"""An AWS client that nobody here wrote (boto3), towards a service that is not AWS.

    aws.py ENDPOINT lend                 makes a user, a role that it may assume, a bucket `out`; prints `ID:KEY` and the role
    aws.py ENDPOINT put BUCKET NAME      puts standard input there, with the keys in the environment
    aws.py ENDPOINT whoami               prints whose keys these are
"""

import json
import os
import sys

import boto3


def client(endpoint, service):
    return boto3.client(service, endpoint_url=endpoint, region_name=os.environ["AWS_REGION"])


def lend(endpoint):
    iam = client(endpoint, "iam")
    allow = lambda action: {"Effect": "Allow", "Action": action, "Resource": "*"}
    policy = lambda *actions: json.dumps({"Version": "2012-10-17", "Statement": [allow(it) for it in actions]})
    iam.create_user(UserName="lender")
    iam.put_user_policy(UserName="lender", PolicyName="p", PolicyDocument=policy("sts:*"))
    key = iam.create_access_key(UserName="lender")["AccessKey"]
    role = iam.create_role(RoleName="writer", AssumeRolePolicyDocument=policy("sts:AssumeRole"))["Role"]
    iam.put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=policy("s3:PutObject", "s3:GetObject"))
    client(endpoint, "s3").create_bucket(Bucket="out")
    print(f"{key['AccessKeyId']}:{key['SecretAccessKey']}", role["Arn"])


def main():
    endpoint, verb, *words = sys.argv[1:]
    if verb == "lend":
        lend(endpoint)
    elif verb == "put":
        bucket, name = words
        client(endpoint, "s3").put_object(Bucket=bucket, Key=name, Body=sys.stdin.buffer.read())
    elif verb == "whoami":
        print(client(endpoint, "sts").get_caller_identity()["Arn"])


main()
