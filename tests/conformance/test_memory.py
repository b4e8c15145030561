from ycore.testing import WireConformance


class TestMemory(WireConformance):
    wire = "memory"
