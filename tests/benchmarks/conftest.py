from __future__ import annotations

import sys
from pathlib import Path

# Neither the tests nor the benchmarks are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))
