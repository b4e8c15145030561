"""`python -m ywire_zmq` makes a new pair of CURVE keys."""

import sys
from argparse import ArgumentParser

from .curve import KeyPair

if __name__ == "__main__":
    ArgumentParser("python -m ywire_zmq", description="Make a new pair of CURVE keys.").parse_args()
    pair = KeyPair.make()
    sys.stdout.write(f"secret_key={pair.secret}\npublic_key={pair.public}\n")
