"""libcrypto's MD5, by the old functions for the reasons of sha256.pxd; of use for fingerprints alone."""

cdef extern from "<openssl/md5.h>" nogil:
    ctypedef struct MD5_CTX:
        pass
    int MD5_Init(MD5_CTX *c)
    int MD5_Update(MD5_CTX *c, const void *data, size_t n)
    int MD5_Final(unsigned char *digest, MD5_CTX *c)
