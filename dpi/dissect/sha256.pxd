"""libcrypto's SHA-256, which uses the processor's instructions for it.

By the old functions: they work on a structure of the caller's.  Those that OpenSSL would have used instead look the
algorithm up and allocate at each call.  setup.py keeps the compiler from calling them deprecated.
"""

cdef extern from "<openssl/sha.h>" nogil:
    ctypedef struct SHA256_CTX:
        pass
    int SHA256_Init(SHA256_CTX *c)
    int SHA256_Update(SHA256_CTX *c, const void *data, size_t n)
    int SHA256_Final(unsigned char *digest, SHA256_CTX *c)
