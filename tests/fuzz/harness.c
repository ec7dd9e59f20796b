/* libFuzzer straight into the C faces of the fast path.
 *
 * Python starts once and imports dpi.fuzz.targets, which knows the C functions by their declarations, so that a
 * changed signature is an error of the build and not of the run.  FUZZ_TARGET names one of its targets, whose
 * address is fetched from the module's table of C functions; after that no Python runs at all.
 */
#include <Python.h>
#include <stdint.h>

typedef void (*target_fn)(const uint8_t *data, uint32_t n);
typedef target_fn (*find_fn)(const char *name);

static target_fn target;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    PyObject *module, *table, *capsule;
    find_fn find = NULL;
    const char *name = getenv("FUZZ_TARGET");
    (void)argc;
    (void)argv;
    Py_InitializeEx(0);
    module = PyImport_ImportModule("dpi.fuzz.targets");
    table = module ? PyObject_GetAttrString(module, "__pyx_capi__") : NULL;
    capsule = table ? PyDict_GetItemString(table, "find") : NULL;
    if (capsule)
        find = (find_fn)PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    if (!find) {
        PyErr_Print();
        exit(2);
    }
    target = find(name ? name : "");
    if (!target) {
        fprintf(stderr, "FUZZ_TARGET names no target: %s\n", name ? name : "(unset)");
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    target(data, (uint32_t)n);
    return 0;
}
