"""The risks of a flow, a bit each of Flow.risks; risks.py says what each means, in the same order."""


cdef enum Risk:
    RISK_CERTIFICATE_DATES = 0x001
    RISK_SELF_SIGNED = 0x002
    RISK_NAME_MISMATCH = 0x004
    RISK_OBSOLETE_TLS = 0x008
    RISK_WEAK_CIPHER = 0x010
    RISK_CREDENTIALS = 0x020
    RISK_FOREIGN_PORT = 0x040
    RISK_DNS_TUNNEL = 0x080
    RISK_MADE_UP_NAME = 0x100
    RISK_PROGRAM = 0x200
    RISK_ENTROPY = 0x400
    RISK_LOOKED_UP = 0x800
    RISK_DECOY = 0x1000
