"""One HTTP/3 download as a process, for use inside a namespace; prints what came as JSON.

python -m dpi.lab.fetch HOST PATH [-4|-6] [--seconds N] [--v2]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys

from dpi.lab.h3 import fetch


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("path")
    parser.add_argument("-4", dest="family", action="store_const", const=socket.AF_INET, default=socket.AF_INET)
    parser.add_argument("-6", dest="family", action="store_const", const=socket.AF_INET6)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--v2", action="store_true")
    args = parser.parse_args()
    result = asyncio.run(
        fetch(args.host, args.path, os.environ["SSL_CERT_FILE"], args.family, args.seconds, 2 if args.v2 else 1)
    )
    print(json.dumps(result))
    return 0 if result["error"] is None else 1


if __name__ == "__main__":
    sys.exit(main())
