import sys
from pathlib import Path

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))
