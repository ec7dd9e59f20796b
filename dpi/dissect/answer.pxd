"""What a dissector answers, and what it may find.  One Found a thread, cleared by the loop before each use."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t


cdef enum Answer:
    NO                      # these bytes are not of this protocol, nor will more of them be
    MORE                    # they may be: come again with more
    YES                     # they are, and all that was wanted has been read


cdef enum:
    ALPN_MAX = 31


cdef enum Target:           # the form of an HTTP request's target (RFC 9112, 3.2)
    TARGET_ORIGIN           # a path: the server's own
    TARGET_ABSOLUTE         # a whole URI: through a proxy
    TARGET_AUTHORITY        # CONNECT's host and port: a tunnel


cdef struct Found:
    char host[256]          # lower case, no trailing dot, NUL-terminated; "" where none is visible
    uint16_t host_len
    char ja4[40]            # "t13d1516h2_8daaf6152771_e5627efa2ab1", "" where it does not apply
    char hassh[40]          # of SSH's client, 32 digits; "" where it does not apply
    char hassh_server[40]   # … of its server
    char alpn[32]           # the first protocol offered
    char agent[128]         # HTTP user agent, or what names the client's software
    char content_type[64]
    uint16_t tls_version    # the highest offered, 0x0304 for TLS 1.3
    uint32_t quic_version
    uint8_t target          # HTTP: Target
    uint32_t ends           # HTTP, SOCKS: where a request ends, and what it opens a tunnel for begins; 0: not told
    uint8_t soap            # HTTP: there is a SOAPAction field
    uint8_t websocket       # HTTP: it asks to go over to WebSocket
    uint8_t credentials     # HTTP: a password stands in it in clear
    uint16_t label          # probes: another label than the one that the probe is registered with; 0: that one
    uint16_t app            # … whose traffic it is, where the payload itself tells; 0: it does not
    uint8_t unfinished      # … what comes may tell more
    uint8_t by_sizes        # … how long the messages are is all that told it
    uint8_t tor_groups      # the groups offered are few, and those that Tor offers
    uint8_t ech             # an encrypted_client_hello extension is present (RFC 9849): host is a public name only


# What a server's own certificate says of it (X.509, RFC 5280).  Text is UTF-8 that may end in mid-character.
cdef struct Certificate:
    const char *asked       # given: a host that is looked for among the names, lower case; NULL: none is
    uint8_t brief           # given: its texts are not kept, only what is beside them
    uint8_t present
    uint8_t self_signed     # issuer and subject are the same
    uint8_t partial         # it was cut: it may have more names
    uint8_t covers          # the host asked for is one of its names
    uint16_t n_names        # in names[]
    int64_t not_before      # s since 1970
    int64_t not_after
    char common_name[256]   # of the subject, as it is written
    char organisation[64]   # of the subject
    char issuer[64]         # its organisation, else its common name
    char names[1024]        # dNSNames, lower case, each NUL-terminated; "*.example.org" as it is; what fits


cdef struct ServerFound:
    uint8_t last            # given: nothing more comes, so what there is of a certificate counts
    char host[256]          # the certificate's first name, "*.example.org" as it is; "" where none is visible
    uint16_t host_len
    uint16_t tls_version    # negotiated
    uint16_t cipher
    char alpn[32]           # the protocol chosen (TLS 1.2 and older; 1.3 hides it)
    uint16_t status         # HTTP
    uint32_t ends           # HTTP: where the header ends; 0: it does not yet
    char server[64]         # HTTP: the Server field
    char content_type[64]
    uint8_t program         # HTTP: what is sent is a program, by its type, its file's name or its first bytes
    uint8_t awaited         # HTTP: what tells a program, or what it asks for, is yet to come
    uint8_t asks            # HTTP: it asks for a password that the next request would show
    Certificate certificate


cdef str answer_name(Answer answer)
cdef dict found_dict(const Found *found)
cdef dict server_dict(const ServerFound *found)
cdef dict certificate_dict(const Certificate *found)
