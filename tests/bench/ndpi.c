/* nDPI on packets in memory, one thread: ndpi CAPTURE → {"packets": …, "flows": …, "cpu_s": …, "first_cpu_s": …, "parse_cpu_s": …}
 *
 * As an application would use the library: find the flow in a hash table, hand packets over until the library is done
 * with it (or gives up, after as many packets as its own reader would), keep the label, free the flow's memory.
 * first: stops at the first label instead.  parse: the same loop, and the library is not called.
 * Ethernet with VLAN tags, IPv4 and IPv6, TCP and UDP; a classic pcap in this machine's byte order.
 */
#include <ndpi/ndpi_api.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TCP_PACKETS = 80, UDP_PACKETS = 24 }; /* ndpiReader's limits */

struct packet { const uint8_t *ip; uint32_t length; uint64_t ms; };

struct key { uint64_t low[2], high[2]; uint32_t ports, proto; }; /* the lesser end first; proto 0: a free slot */

struct flow { struct key key; struct ndpi_flow_struct *state; uint32_t packets; uint16_t label; uint8_t done; };

static struct packet *packets;
static uint64_t count;

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int load(const char *path) {
    FILE *file = fopen(path, "rb");
    long size;
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 24) return 0;
    uint8_t *all = malloc(size), *end = all + size, *at = all + 24;
    rewind(file);
    if (!all || fread(all, 1, size, file) != (size_t)size) return 0;
    uint32_t magic, link;
    memcpy(&magic, all, 4);
    memcpy(&link, all + 20, 4);
    if ((magic != 0xa1b2c3d4 && magic != 0xa1b23c4d) || (link & 0xffff) != 1) return 0;
    uint64_t room = 0;
    for (uint32_t head[4]; end - at >= 16; at += head[2]) {
        memcpy(head, at, 16);
        at += 16;
        if (head[2] > (uint64_t)(end - at)) break;
        uint32_t skip = 14;
        while (head[2] >= skip + 4 && at[skip - 2] == 0x81 && at[skip - 1] == 0) skip += 4;
        if (head[2] < skip + 20) continue;
        if (count == room && !(packets = realloc(packets, (room = 2 * room + 1024) * sizeof *packets))) return 0;
        uint64_t fraction = head[1] / (magic == 0xa1b2c3d4 ? 1000 : 1000000);
        packets[count++] = (struct packet){at + skip, head[2] - skip, head[0] * 1000ull + fraction};
    }
    return 1;
}

static int key_of(const struct packet *p, struct key *k) {
    const uint8_t *ip = p->ip;
    uint64_t a[2] = {0}, b[2] = {0};
    uint32_t at, n = p->length;
    uint8_t proto;
    if (ip[0] >> 4 == 4) {
        at = (ip[0] & 15) * 4;
        proto = ip[9];
        memcpy(a, ip + 12, 4);
        memcpy(b, ip + 16, 4);
    } else if (ip[0] >> 4 == 6 && n >= 40) {
        at = 40;
        proto = ip[6];
        memcpy(a, ip + 8, 16);
        memcpy(b, ip + 24, 16);
    } else return 0;
    if ((proto != 6 && proto != 17) || n < at + 4) return 0;
    uint16_t s = ip[at] << 8 | ip[at + 1], d = ip[at + 2] << 8 | ip[at + 3];
    int order = memcmp(a, b, 16);
    int low = order < 0 || (order == 0 && s <= d);
    memcpy(k->low, low ? a : b, 16);
    memcpy(k->high, low ? b : a, 16);
    k->ports = low ? (uint32_t)s << 16 | d : (uint32_t)d << 16 | s;
    k->proto = proto;
    return 1;
}

static struct flow *find(struct flow *flows, uint64_t mask, const struct key *k) {
    uint64_t h = (k->low[0] ^ k->high[1]) * 0x9E3779B97F4A7C15ull ^ (k->low[1] ^ k->high[0]);
    h = (h ^ (uint64_t)k->ports << 8 ^ k->proto) * 0xD6E8FEB86659FD93ull;
    for (uint64_t i = (h ^ h >> 32) & mask;; i = (i + 1) & mask) {
        if (!flows[i].key.proto) flows[i].key = *k;
        if (!memcmp(&flows[i].key, k, sizeof *k)) return &flows[i];
    }
}

enum { WHOLE, FIRST, PARSE };

static double run(int what, uint64_t *n_flows, uint64_t *n_named, uint64_t *n_given) {
    uint64_t mask = (1 << 20) - 1;
    struct flow *flows = calloc(mask + 1, sizeof *flows);
    struct ndpi_detection_module_struct *module = ndpi_init_detection_module(ndpi_no_prefs);
    NDPI_PROTOCOL_BITMASK all;
    if (!flows || !module) exit(1);
    NDPI_BITMASK_SET_ALL(all);
    ndpi_set_protocol_detection_bitmask2(module, &all);
    ndpi_finalize_initialization(module);
    *n_flows = *n_named = *n_given = 0;
    double begin = cpu();
    for (uint64_t i = 0; i < count; i++) {
        const struct packet *p = &packets[i];
        struct key k;
        if (!key_of(p, &k)) continue;
        struct flow *f = find(flows, mask, &k);
        if (!f->packets++ && (++*n_flows > mask / 2)) exit(3);
        if (what == PARSE || f->done) continue;
        if (!f->state && !(f->state = ndpi_flow_malloc(SIZEOF_FLOW_STRUCT))) exit(1);
        if (f->packets == 1) memset(f->state, 0, SIZEOF_FLOW_STRUCT);
        ndpi_protocol found = ndpi_detection_process_packet(module, f->state, p->ip, p->length, p->ms);
        ++*n_given;
        int known = ndpi_is_protocol_detected(module, found);
        if (known && (what == FIRST || !ndpi_extra_dissection_possible(module, f->state)))
            f->done = 1;
        else if (f->packets >= (k.proto == 6 ? TCP_PACKETS : UDP_PACKETS)) {
            uint8_t guessed;
            if (!known) found = ndpi_detection_giveup(module, f->state, 1, &guessed);
            f->done = 1;
        }
        if (f->done) {
            f->label = found.app_protocol ? found.app_protocol : found.master_protocol;
            *n_named += f->label != 0;
            ndpi_flow_free(f->state);
            f->state = NULL;
        }
    }
    double took = cpu() - begin;
    ndpi_exit_detection_module(module);
    free(flows);
    return took;
}

int main(int argc, char **argv) {
    uint64_t flows, named, given, unused[3];
    if (argc != 2 || !load(argv[1])) {
        fprintf(stderr, "usage: ndpi CAPTURE (a pcap of Ethernet)\n");
        return 2;
    }
    double parse = run(PARSE, &unused[0], &unused[1], &unused[2]), first = run(FIRST, &unused[0], &unused[1], &unused[2]);
    double whole = run(WHOLE, &flows, &named, &given);
    printf("{\"version\": \"%s\", \"packets\": %lu, \"flows\": %lu, \"named\": %lu, \"packets_per_decision\": %.3f, ", ndpi_revision(),
           count, flows, named, (double)given / flows);
    printf("\"cpu_s\": %.4f, \"first_cpu_s\": %.4f, \"parse_cpu_s\": %.4f}\n", whole, first, parse);
    return 0;
}
