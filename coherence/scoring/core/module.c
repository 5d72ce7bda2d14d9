/* The interface to Python: coherence.scoring._core. Its functions are described in _core.pyi. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dictionary.h"

/* Characters that are scored at a time, or more if a group has more: other threads run in the meantime, and copies
 * of texts that are not ASCII are not kept longer. */
enum { BATCH = 1 << 20 };

/* Tables that Python keeps */

#define FOLDING "coherence.scoring._core.folding"
#define WORDS "coherence.scoring._core.words"
#define CURVE "coherence.scoring._core.curve"
#define ORDER "coherence.scoring._core.order"

/* Return a number that no other table has had. */
static uint64_t
new_identity(void)
{
    static atomic_uint_fast64_t last;
    return atomic_fetch_add(&last, 1) + 1;
}

static PyObject *
own(void *table, const char *name, PyCapsule_Destructor destroy)
{
    PyObject *capsule = PyCapsule_New(table, name, destroy);
    if (capsule == NULL)
        free(table);
    return capsule;
}

static void
destroy_folding(PyObject *capsule)
{
    Folding *folding = PyCapsule_GetPointer(capsule, FOLDING);
    for (int page = 0; page < PAGES; page++)
        free(folding->pages[page]);
    free(folding);
    Py_XDECREF(PyCapsule_GetContext(capsule));
}

/* Ask Python for a page of the folding table. */
static int
load_page(PyObject *capsule, Folding *folding, uint32_t number)
{
    enum { BYTES = PAGE * FOLDS_TO * sizeof(uint32_t) };
    PyObject *made = PyObject_CallFunction(PyCapsule_GetContext(capsule), "I", (unsigned int)number);
    if (made == NULL)
        return -1;
    uint32_t *page = NULL;
    if (!PyBytes_Check(made) || PyBytes_Size(made) != BYTES)
        PyErr_Format(PyExc_ValueError, "a page of the folding table has %d bytes", (int)BYTES);
    else if ((page = malloc(BYTES)) == NULL)
        PyErr_NoMemory();
    else
        memcpy(page, PyBytes_AsString(made), BYTES);
    Py_DECREF(made);
    if (page == NULL)
        return -1;
    /* Another thread may have run while Python made the page. */
    if (folding->pages[number])
        free(page);
    else
        folding->pages[number] = page;
    return 0;
}

static PyObject *
make_folding(PyObject *Py_UNUSED(module), PyObject *make_page)
{
    Folding *folding = calloc(1, sizeof *folding);
    if (folding == NULL)
        return PyErr_NoMemory();
    folding->identity = new_identity();
    PyObject *capsule = own(folding, FOLDING, destroy_folding);
    if (capsule == NULL)
        return NULL;
    Py_INCREF(make_page);
    int failed = PyCapsule_SetContext(capsule, make_page);
    for (uint32_t page = 0; page < ASCII / PAGE && !failed; page++)
        failed = load_page(capsule, folding, page);
    if (failed) {
        Py_DECREF(capsule);
        return NULL;
    }
    for (uint32_t code = 0; code < ASCII; code++)
        folding->ascii[code] = (uint8_t)(*entry_of(folding, code) >> CLASS_SHIFT);
    return capsule;
}

static void
destroy_words(PyObject *capsule)
{
    List *list = PyCapsule_GetPointer(capsule, WORDS);
    free_words(&list->words);
    free(list);
}

/* Add a word and set its number; a word that is too long for a token is left out, with the number NONE. */
static int
add_string(Words *words, PyObject *word, uint32_t *number)
{
    *number = NONE;
    Py_ssize_t length = PyUnicode_GetLength(word);
    if (length < 0)
        return -1;
    if (length == 0 || length > LONGEST_WORD)
        return 0;
    PyObject *encoded = PyUnicode_AsEncodedString(word, "utf-8", "surrogatepass");
    if (encoded == NULL)
        return -1;
    int added = add_word(words, (uint8_t *)PyBytes_AsString(encoded), (size_t)PyBytes_Size(encoded), number);
    Py_DECREF(encoded);
    if (added < 0)
        PyErr_NoMemory();
    return added;
}

/* Add the words in lines of UTF-8; words that are too long for a token are left out. */
static int
add_lines(Words *words, const uint8_t *lines, size_t size)
{
    enum { BYTES_A_WORD = 8 }; /* about, with the line feed */
    if (start_dictionary(&words->dictionary, size / BYTES_A_WORD, NULL) < 0)
        return -1;
    if (extend(&words->arena, size + PADDING) < 0)
        return -1;
    for (const uint8_t *begin = lines, *last = lines + size; begin < last;) {
        const uint8_t *found = memchr(begin, '\n', (size_t)(last - begin)), *end = found ? found : last;
        size_t characters = characters_of(begin, (size_t)(end - begin));
        uint32_t number;
        if (characters && characters <= LONGEST_WORD && add_word(words, begin, (size_t)(end - begin), &number) < 0)
            return -1;
        begin = end + 1;
    }
    return 0;
}

static PyObject *
make_words(PyObject *Py_UNUSED(module), PyObject *lines)
{
    if (!PyBytes_Check(lines))
        return PyErr_Format(PyExc_TypeError, "the lines of a word list are bytes, not %R", Py_TYPE(lines));
    List *list = calloc(1, sizeof *list);
    if (list == NULL)
        return PyErr_NoMemory();
    list->identity = new_identity();
    PyObject *capsule = own(list, WORDS, destroy_words);
    if (capsule && add_lines(&list->words, (const uint8_t *)PyBytes_AsString(lines), (size_t)PyBytes_Size(lines)) < 0) {
        Py_DECREF(capsule);
        return PyErr_NoMemory();
    }
    return capsule;
}

static void
destroy_curve(PyObject *capsule)
{
    Curve *curve = PyCapsule_GetPointer(capsule, CURVE);
    free(curve->counts);
    free(curve);
}

/* Read a given number of floats from a sequence. */
static int
read_floats(PyObject *sequence, double *floats, Py_ssize_t number)
{
    for (Py_ssize_t at = 0; at < number; at++) {
        PyObject *item = PySequence_GetItem(sequence, at);
        floats[at] = item ? PyFloat_AsDouble(item) : -1.0;
        Py_XDECREF(item);
        if (PyErr_Occurred())
            return -1;
    }
    return 0;
}

static PyObject *
make_curve(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *counts, *effectives;
    if (!PyArg_ParseTuple(arguments, "OO", &counts, &effectives))
        return NULL;
    Py_ssize_t points = PySequence_Size(counts);
    if (points < 0)
        return NULL;
    if (points < 2 || PySequence_Size(effectives) != points)
        return PyErr_Format(PyExc_ValueError, "a curve has two points or more");
    Curve *curve = calloc(1, sizeof *curve);
    if (curve == NULL)
        return PyErr_NoMemory();
    PyObject *capsule = own(curve, CURVE, destroy_curve);
    if (capsule == NULL)
        return NULL;
    curve->points = (size_t)points;
    curve->counts = calloc(2 * (size_t)points, sizeof(double));
    if (curve->counts == NULL) {
        Py_DECREF(capsule);
        return PyErr_NoMemory();
    }
    curve->effectives = curve->counts + points;
    if (read_floats(counts, curve->counts, points) < 0 || read_floats(effectives, curve->effectives, points) < 0) {
        Py_DECREF(capsule);
        return NULL;
    }
    return capsule;
}

static void
destroy_order(PyObject *capsule)
{
    Order *order = PyCapsule_GetPointer(capsule, ORDER);
    free_words(&order->common);
    release(&order->of_common);
    free(order->near);
    free(order->both);
    free(order->endings);
    free(order->ending_bytes);
    free(order);
}

/* Copy the levels of pairs of classes, near and far. */
static int
read_levels(Order *order, const uint8_t *near, const uint8_t *far)
{
    size_t cells = (size_t)order->classes * order->classes;
    order->near = malloc(2 * cells);
    order->both = malloc(cells * sizeof(uint16_t));
    if (order->near == NULL || order->both == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    order->far = order->near + cells;
    memcpy(order->near, near, cells);
    memcpy(order->far, far, cells);
    for (size_t cell = 0; cell < cells; cell++)
        order->both[cell] = (uint16_t)(2 * near[cell] + far[cell]);
    return 0;
}

/* Copy the tokens that are a class by themselves: pairs of a token and its class. */
static int
read_common(Order *order, PyObject *common)
{
    for (Py_ssize_t at = 0; at < PyTuple_Size(common); at++) {
        PyObject *token;
        unsigned int of_class;
        uint32_t number;
        if (!PyArg_ParseTuple(PyTuple_GetItem(common, at), "UI", &token, &of_class))
            return -1;
        if (add_string(&order->common, token, &number) < 0)
            return -1;
        if (number == NONE)
            continue;
        if (extend(&order->of_common, (number + 1) * sizeof(uint32_t)) < 0) {
            PyErr_NoMemory();
            return -1;
        }
        ((uint32_t *)order->of_common.at)[number] = of_class;
    }
    return 0;
}

/* Copy the endings: each with the length of the shortest word that has it and its class, the longest first. */
static int
read_endings(Order *order, PyObject *endings)
{
    enum { MOST = 64 };
    Py_ssize_t number = PyTuple_Size(endings), used = 0, size;
    order->endings = calloc((size_t)number + 1, sizeof(Ending));
    order->ending_bytes = calloc((size_t)number + 1, MOST);
    if (order->endings == NULL || order->ending_bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    uint32_t sorted = 0;
    for (int last = 0; last < BYTE_VALUES; last++) {
        order->first_ending[last] = sorted;
        for (Py_ssize_t at = 0; at < number; at++) {
            const char *bytes;
            unsigned int shortest, of_class;
            if (!PyArg_ParseTuple(PyTuple_GetItem(endings, at), "s#II", &bytes, &size, &shortest, &of_class))
                return -1;
            if (size == 0 || size > MOST || (uint8_t)bytes[size - 1] != last)
                continue;
            memcpy(order->ending_bytes + used, bytes, (size_t)size);
            order->endings[sorted++] = (Ending){(uint32_t)used, (uint32_t)size, shortest, of_class};
            used += size;
        }
    }
    order->first_ending[BYTE_VALUES] = sorted;
    return 0;
}

static PyObject *
make_order(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    const char *near, *far;
    Py_ssize_t near_size, far_size;
    PyObject *common, *endings;
    unsigned int classes, word, number, sign;
    if (!PyArg_ParseTuple(
            arguments, "y#y#O!O!IIII", &near, &near_size, &far, &far_size, &PyTuple_Type, &common, &PyTuple_Type,
            &endings, &classes, &word, &number, &sign
        ))
        return NULL;
    if (classes > MOST_CLASSES || near_size != (Py_ssize_t)(classes * classes) || far_size != near_size)
        return PyErr_Format(PyExc_ValueError, "%u classes and tables of %zd and %zd", classes, near_size, far_size);
    Order *order = calloc(1, sizeof *order);
    if (order == NULL)
        return PyErr_NoMemory();
    PyObject *capsule = own(order, ORDER, destroy_order);
    if (capsule == NULL)
        return NULL;
    order->identity = new_identity();
    order->classes = classes;
    order->word = word;
    order->number = number;
    order->sign = sign;
    if (read_levels(order, (const uint8_t *)near, (const uint8_t *)far) < 0 || read_common(order, common) < 0
        || read_endings(order, endings) < 0) {
        Py_DECREF(capsule);
        return NULL;
    }
    return capsule;
}

/* Scoring */

/* The memory of the last call, for the next one, so that it need not be allocated for each sample of a monitor.
 * Only one call at a time takes it. */
static _Atomic(Scratch *) spare;

static Scratch *
take_scratch(void)
{
    Scratch *scratch = atomic_exchange(&spare, NULL);
    return scratch ? scratch : calloc(1, sizeof *scratch);
}

static void
drop_scratch(Scratch *scratch)
{
    if (scratch)
        free_scratch(scratch);
    free(scratch);
}

/* The data of a call of `score`. */
typedef struct {
    PyObject *strings; /* a tuple, which does not change */
    PyObject *folding_capsule;
    Folding *folding;
    const List *list;
    const Order *order;
    Reference reference;
    const int64_t *groups, *prompts; /* the sizes of the groups, NULL for none; a number for each prompt */
    size_t number_of_groups;
    int cuts_rulers;
    size_t longest; /* characters of the longest text so far */
    Scratch *scratch;
    Group group;
} Call;

static int
load_pages(Call *call, const Text *text)
{
    enum { AT_ONCE = 16 }; /* the pages of ASCII are there */
    for (size_t from = 0; from < text->length; from += AT_ONCE) {
        size_t end = text->length - from < AT_ONCE ? text->length : from + AT_ONCE;
        uint32_t any = 0;
        for (size_t at = from; at < end; at++)
            any |= text->codes[at];
        for (size_t at = from; at < end && any >= ASCII; at++) {
            uint32_t page = text->codes[at] / PAGE;
            if (!call->folding->pages[page] && load_page(call->folding_capsule, call->folding, page) < 0)
                return -1;
        }
    }
    return 0;
}

/* Make a text from a string: its own bytes if it is ASCII, else a copy of its code points. */
static int
take_text(PyObject *string, Text *text)
{
    *text = (Text){0};
    if (!PyUnicode_Check(string)) {
        PyErr_Format(PyExc_TypeError, "a text is a string, not %R", Py_TYPE(string));
        return -1;
    }
    Py_ssize_t length = PyUnicode_GetLength(string);
    if ((size_t)length > MOST_CHARACTERS) {
        PyErr_Format(PyExc_OverflowError, "a text of %zd characters is too long to be scored", length);
        return -1;
    }
    text->length = (size_t)length;
    PyObject *is_ascii = PyObject_CallMethod(string, "isascii", NULL);
    if (is_ascii == NULL)
        return -1;
    Py_DECREF(is_ascii);
    if (is_ascii == Py_True) {
        text->ascii = (const uint8_t *)PyUnicode_AsUTF8AndSize(string, NULL);
        return text->ascii ? 0 : -1;
    }
    text->codes = (const uint32_t *)PyUnicode_AsUCS4Copy(string);
    return text->codes ? 0 : -1;
}

static void
drop_texts(Text *texts, size_t number)
{
    for (size_t at = 0; at < number; at++)
        PyMem_Free((void *)texts[at].codes);
    free(texts);
}

/* Make the scratch memory that of the tables of this call. */
static void
use_tables(Call *call)
{
    const uint64_t identities[] = {call->folding->identity, call->list->identity, call->order->identity};
    if (memcmp(call->scratch->identities, identities, sizeof identities) != 0)
        forget(call->scratch);
    memcpy(call->scratch->identities, identities, sizeof identities);
    call->scratch->folding = call->folding;
}

/* Score texts from the given number on, and compare those of each group. */
static int
score_texts(Call *call, const Text *texts, size_t first, const int64_t *groups, size_t units, Row *rows, double *between)
{
    size_t at = 0;
    use_tables(call);
    for (size_t unit = 0; unit < units; unit++) {
        size_t size = groups ? (size_t)groups[unit] : 1;
        begin_group(&call->group, call->scratch);
        for (size_t end = at + size; at < end; at++) {
            Row *row = &rows[first + at];
            uint64_t bigrams;
            Text text = texts[at];
            call->longest = text.length > call->longest ? text.length : call->longest;
            if (call->cuts_rulers && short_rulers(&text, call->scratch) < 0)
                return -1;
            if (score_text(
                    &text, call->list, &call->reference, call->order, call->scratch, row, &bigrams
                )
                < 0)
                return -1;
            /* A single sample is not compared. */
            int64_t prompt = call->prompts ? call->prompts[first + at] : 0;
            if (size > 1 && add_to_group(&call->group, call->scratch, row, prompt, bigrams) < 0)
                return -1;
        }
        if (groups && between_samples(&call->group, call->scratch, &between[unit]) < 0)
            return -1;
    }
    return 0;
}

/* Take the texts of the units, groups or single texts, that are scored at a time, from `*unit` and `*first` on,
 * score them, and advance both. */
static int
score_batch(Call *call, size_t *unit, size_t *first, Row *rows, double *between)
{
    size_t number = (size_t)PyTuple_Size(call->strings), units = call->groups ? call->number_of_groups : number;
    size_t begin = *unit, texts_taken = 0, characters = 0;
    while (*unit < units && characters < BATCH) {
        size_t size = call->groups ? (size_t)call->groups[*unit] : 1;
        for (size_t end = texts_taken + size; texts_taken < end; texts_taken++)
            characters += (size_t)PyUnicode_GetLength(PyTuple_GetItem(call->strings, (Py_ssize_t)(*first + texts_taken)));
        characters++;
        ++*unit;
    }
    Text *texts = calloc(texts_taken + 1, sizeof *texts);
    int failed = texts == NULL;
    if (failed)
        PyErr_NoMemory();
    for (size_t at = 0; at < texts_taken && !failed; at++)
        failed = take_text(PyTuple_GetItem(call->strings, (Py_ssize_t)(*first + at)), &texts[at]) < 0
                 || (texts[at].codes && load_pages(call, &texts[at]) < 0);
    if (!failed) {
        const int64_t *groups = call->groups ? call->groups + begin : NULL;
        Py_BEGIN_ALLOW_THREADS
        failed = score_texts(call, texts, *first, groups, *unit - begin, rows, between + begin) < 0;
        Py_END_ALLOW_THREADS
        if (failed)
            PyErr_NoMemory();
    }
    if (texts)
        drop_texts(texts, texts_taken);
    *first += texts_taken;
    return failed || PyErr_CheckSignals() < 0 ? -1 : 0;
}

static PyObject *
score_all(Call *call)
{
    size_t number = (size_t)PyTuple_Size(call->strings), unit = 0, first = 0;
    for (size_t at = 0; at < number; at++) {
        PyObject *string = PyTuple_GetItem(call->strings, (Py_ssize_t)at);
        if (!PyUnicode_Check(string))
            return PyErr_Format(PyExc_TypeError, "a text is a string, not %R", Py_TYPE(string));
    }
    PyObject *rows = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(number * sizeof(Row)));
    PyObject *between = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(call->number_of_groups * sizeof(double)));
    size_t units = call->groups ? call->number_of_groups : number;
    int failed = rows == NULL || between == NULL;
    while (!failed && unit < units)
        failed = score_batch(call, &unit, &first, (Row *)PyBytes_AsString(rows), (double *)PyBytes_AsString(between)) < 0;
    PyObject *result = failed ? NULL : PyTuple_Pack(2, rows, between);
    Py_XDECREF(rows);
    Py_XDECREF(between);
    return result;
}

static int
take_reference(PyObject *curves, Reference *reference)
{
    const Curve **wanted[] = {
        &reference->bigram, &reference->trigram, &reference->english, &reference->character
    };
    for (Py_ssize_t at = 0; at < 4; at++) {
        PyObject *curve = PyTuple_GetItem(curves, at);
        if (curve == NULL)
            return -1;
        *wanted[at] = NULL;
        if (curve == Py_None && wanted[at] == &reference->english)
            continue;
        if ((*wanted[at] = PyCapsule_GetPointer(curve, CURVE)) == NULL)
            return -1;
    }
    return 0;
}

/* Return the numbers in a buffer, NULL without an error if it is empty. */
static const int64_t *
take_numbers(const char *bytes, Py_ssize_t size, size_t wanted)
{
    if (size && (size_t)size != wanted * sizeof(int64_t))
        PyErr_Format(PyExc_ValueError, "%zd bytes for %zu numbers", size, wanted);
    return size ? (const int64_t *)bytes : NULL;
}

static int
check_groups(const Call *call)
{
    size_t sum = 0, number = (size_t)PyTuple_Size(call->strings);
    for (size_t at = 0; at < call->number_of_groups; at++) {
        if (call->groups[at] < 0 || (size_t)call->groups[at] > number - sum) {
            sum = number + 1;
            break;
        }
        sum += (size_t)call->groups[at];
    }
    if (call->groups && sum != number) {
        PyErr_Format(PyExc_ValueError, "the groups do not add up to %zu texts", number);
        return -1;
    }
    return 0;
}

static PyObject *
score(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *texts, *folding, *words, *order, *curves, *result = NULL;
    const char *groups, *prompts;
    Py_ssize_t groups_size, prompts_size;
    double english_share;
    int cuts_rulers;
    if (!PyArg_ParseTuple(
            arguments, "O!OOOO!dy#y#p", &PyTuple_Type, &texts, &folding, &words, &order, &PyTuple_Type, &curves,
            &english_share, &groups, &groups_size, &prompts, &prompts_size,
            &cuts_rulers
        ))
        return NULL;
    Call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return PyErr_NoMemory();
    call->strings = texts;
    call->cuts_rulers = cuts_rulers;
    call->folding_capsule = folding;
    call->folding = PyCapsule_GetPointer(folding, FOLDING);
    call->list = PyErr_Occurred() ? NULL : PyCapsule_GetPointer(words, WORDS);
    call->order = PyErr_Occurred() ? NULL : PyCapsule_GetPointer(order, ORDER);
    call->reference.english_share = english_share;
    call->number_of_groups = (size_t)groups_size / sizeof(int64_t);
    call->scratch = PyErr_Occurred() ? NULL : take_scratch();
    if (call->scratch == NULL && !PyErr_Occurred())
        PyErr_NoMemory();
    if (!PyErr_Occurred() && take_reference(curves, &call->reference) == 0) {
        call->groups = take_numbers(groups, groups_size, call->number_of_groups);
        call->prompts = take_numbers(prompts, prompts_size, (size_t)PyTuple_Size(texts));
        if (!PyErr_Occurred() && check_groups(call) == 0)
            result = score_all(call);
    }
    /* After an error it may be in any state; if it is large, it is not kept either. */
    enum { KEPT = 1 << 16 };
    drop_scratch(result && call->longest <= KEPT ? atomic_exchange(&spare, call->scratch) : call->scratch);
    free_group(&call->group);
    free(call);
    return result;
}

/* The module */

static const struct {
    const char *name;
    double value;
} CONSTANTS[] = {
    {"LONGEST_WORD", LONGEST_WORD},     {"PIECE", PIECE},
    {"RULER", RULER},                   {"ENOUGH_TOKENS", ENOUGH_TOKENS},
    {"ENOUGH_CHARACTERS", ENOUGH_CHARACTERS}, {"ENOUGH_WORDS", ENOUGH_WORDS},
    {"ORDERED_TOKENS", ORDERED_TOKENS}, {"SHORT", SHORT},
    {"SEEN", SEEN},                     {"NEAR_NEIGHBOURS", NEAR_NEIGHBOURS},
    {"FAR_NEIGHBOURS", FAR_NEIGHBOURS}, {"LEAST_AGAIN", LEAST_AGAIN},
    {"PHRASES", PHRASES},               {"STRETCH", STRETCH},
    {"NEW_KINDS", NEW_KINDS},           {"COMPARED", COMPARED},
    {"FOREIGN_BELOW", FOREIGN_BELOW},   {"FOREIGN_SHARE", FOREIGN_SHARE},
    {"TOLD_BELOW", TOLD_BELOW},         {"ENGLISH_FROM", ENGLISH_FROM},
    {"MANY", MANY},                     {"LITTLE", LITTLE},
    {"NEW_SHARE", NEW_SHARE},           {"STEP", STEP},
    {"LETTER", LETTER},                 {"JOINT", JOINT},
    {"SPACE", SPACE},                   {"ALPHABETIC", ALPHABETIC},
    {"ALPHANUMERIC", ALPHANUMERIC},     {"BLANK", BLANK},
    {"DIGIT", DIGIT},                   {"CLASS_SHIFT", CLASS_SHIFT},
    {"WAS_ALPHANUMERIC", WAS_ALPHANUMERIC},
    {"PAGE", PAGE},                     {"FOLDS_TO", FOLDS_TO},
};

static int
add_constants(PyObject *module)
{
    PyObject *constants = PyDict_New();
    int failed = constants == NULL;
    for (size_t at = 0; at < sizeof CONSTANTS / sizeof *CONSTANTS && !failed; at++) {
        PyObject *value = PyFloat_FromDouble(CONSTANTS[at].value);
        failed = value == NULL || PyDict_SetItemString(constants, CONSTANTS[at].name, value) < 0;
        Py_XDECREF(value);
    }
    failed = failed || PyModule_AddObjectRef(module, "CONSTANTS", constants) < 0;
    failed = failed || PyModule_AddStringConstant(module, "SOURCES", SOURCES) < 0; /* from hatch_build.py */
    Py_XDECREF(constants);
    return failed ? -1 : 0;
}

static PyMethodDef methods[] = {
    {"folding", make_folding, METH_O, NULL},     {"words", make_words, METH_O, NULL},
    {"curve", make_curve, METH_VARARGS, NULL},   {"order", make_order, METH_VARARGS, NULL},
    {"score", score, METH_VARARGS, NULL},        {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)add_constants}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "coherence.scoring._core", "Scores texts as coherence.scoring.scores does, in C.", 0,
    methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
