#!/usr/bin/env python3
"""Makes a certificate for 127.0.0.1 that is good for an hour, and its key, both PEM.

Usage: certificate.py CERTIFICATE KEY
"""

import datetime
import ipaddress
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
now = datetime.datetime.now(datetime.timezone.utc)
hour = datetime.timedelta(hours=1)
made = (
    x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - hour, now + hour)
    .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    .sign(key, hashes.SHA256())
)
encoding = serialization.Encoding.PEM
private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
Path(sys.argv[1]).write_bytes(made.public_bytes(encoding))
Path(sys.argv[2]).write_bytes(private)
