"""A workload in Python, over gRPC's C core: fetches SVIDs, watches them, has a token verified.

    workload.py SOCKET AUDIENCE SECONDS

Prints a JSON object a line: {"x509": ID} for each X.509-SVID that came within SECONDS, {"jwt": ID}
for a token that was fetched and verified. Run it in the folder of the socket and name that without a
path: this client puts the path into a header where HTTP/2 allows no slash, escaped or not.
"""

import json
import sys
import time

from spiffe import WorkloadApiClient


def say(**said):
    print(json.dumps(said), flush=True)


def failed(why):
    say(error=str(why))


def main():
    socket, audience, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    client = WorkloadApiClient("unix:" + socket)
    token = client.fetch_jwt_svid(audience={audience})
    say(jwt=str(client.validate_jwt_svid(token.token, audience).spiffe_id))
    client.stream_x509_contexts(
        on_success=lambda context: say(x509=str(context.default_svid.spiffe_id)), on_error=failed
    )
    time.sleep(seconds)


main()
