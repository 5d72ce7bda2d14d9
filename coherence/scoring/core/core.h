/* The core: scores texts as coherence/scoring/scores.py does, to the last bit, without Python's lock.
 *
 * The Python modules are the definition; the names here are theirs. `score_text` (score.c) scores a text: it is
 * folded and cut into tokens (tokens.c), which mostly occurred in earlier texts (vocabulary.c), counted (counts.c),
 * compared with the reference (score.c), searched for repetition (again.c), and its word order is measured (order.c).
 * module.c is the interface to Python.
 *
 * Functions that allocate return 0, or -1 if there is no memory; every caller passes that on, up to module.c.
 */
#ifndef COHERENCE_CORE_H
#define COHERENCE_CORE_H

#include <stddef.h>
#include <stdint.h>

/* Constants of text.py, scores.py, again.py and between.py; module.c exports them, and
 * tests/scoring/test_core.py compares them with those. */
enum {
    LONGEST_WORD = 24,
    PIECE = 4,
    RULER = 4,
    ENOUGH_TOKENS = 10,
    ENOUGH_CHARACTERS = 40,
    ENOUGH_WORDS = 20,
    ORDERED_TOKENS = 64,
    SHORT = 4,
    SEEN = 8,
    NEAR_NEIGHBOURS = 2,
    FAR_NEIGHBOURS = 12,
    LEAST_AGAIN = 10,
    PHRASES = 3,
    STRETCH = 24,
    NEW_KINDS = 4,
    COMPARED = 64,
};
#define FOREIGN_BELOW 10.0
#define FOREIGN_SHARE 0.1
#define TOLD_BELOW 60.0
#define ENGLISH_FROM 45.0
#define MANY 0.2
#define LITTLE 0.2
#define NEW_SHARE 0.1
#define STEP 0.25

/* Length of the longest text that is scored: positions in it, at up to four bytes a character, fit into 32 bits. */
#define MOST_CHARACTERS ((size_t)1 << 29)

/* The most bytes of a token as UTF-8, and bytes that may be read after it, because it is read eight bytes at a time. */
enum { MOST_BYTES = 4 * LONGEST_WORD, PADDING = 16 };

/* What a character is; fast.py builds the table from the patterns of text.py. A code is a code point with
 * its class above it. */
enum {
    LETTER = 1,
    JOINT = 2,
    SPACE = 4,
    ALPHABETIC = 8,
    ALPHANUMERIC = 16,
    BLANK = 32, /* white space by str.isspace, which includes more than the patterns */
    DIGIT = 64,
    JOINED = 128, /* of a token: it has an inner apostrophe or hyphen */
    WAS_ALPHANUMERIC = 256, /* in the folding table: the character was, before it was folded */
};
enum { MOST_CLASSES = 1024 }; /* of the model of word order */
enum { CLASS_SHIFT = 21, CODE_POINTS = 0x110000, PAGE = 64, FOLDS_TO = 3, PAGES = CODE_POINTS / PAGE };
enum { BYTE_VALUES = 256, ASCII = 128 };
#define CODE_MASK (((uint32_t)1 << CLASS_SHIFT) - 1)

/* Memory that grows and is used again; its content is lost when it grows. */
typedef struct {
    void *at;
    size_t bytes;
} Buffer;

int replace_buffer(Buffer *buffer, size_t bytes, int zeroed);
int grow_buffer(Buffer *buffer, size_t bytes);
void release(Buffer *buffer);

static inline int
reserve(Buffer *buffer, size_t bytes)
{
    return bytes <= buffer->bytes ? 0 : replace_buffer(buffer, bytes, 0);
}

static inline int
reserve_zeroed(Buffer *buffer, size_t bytes)
{
    return bytes <= buffer->bytes ? 0 : replace_buffer(buffer, bytes, 1);
}

/* Make room, and keep the content. */
static inline int
extend(Buffer *buffer, size_t bytes)
{
    return bytes <= buffer->bytes ? 0 : grow_buffer(buffer, bytes);
}

/* Distinct tokens, numbered from 0 in the order in which they came. dictionary.h has the functions that find them. Each
 * new start of a dictionary is a use: slots of earlier uses are free, so that nothing has to be emptied. */
typedef struct {
    uint64_t key;
    uint32_t number, use;
} Slot;

typedef struct {
    Buffer slots;
    int bits;
    uint32_t use;
    uint32_t count;
    Buffer keys, places, sizes; /* for each token: its key, where it begins in `bytes`, how many bytes it has */
    const uint8_t *bytes;
} Dictionary;

/* What each character folds to: up to three codes for each character of a page. Python makes a page when a text
 * needs it, and it never changes. */
typedef struct {
    uint32_t *pages[PAGES];
    uint8_t ascii[BYTE_VALUES]; /* the classes of ASCII; other bytes have none */
    uint64_t identity;
} Folding;

/* An alphabet: a byte for each character of some texts, so that most texts of few characters that are not ASCII are
 * bytes as well. Bytes from FIRST_OWN on are assigned as characters come, in a separate range for each class, so that
 * the class of a byte is known without a table. It is kept for the next texts until a text has too many others. */
enum { FIRST_OWN = 0x80, LETTERS = FIRST_OWN, JOINTS = 0xD0, SPACES = 0xD2, SIGNS = 0xD8, ALPHABET_BITS = 9 };

typedef struct {
    uint8_t classes[BYTE_VALUES];
    uint32_t codes[BYTE_VALUES - FIRST_OWN]; /* the characters of the bytes from FIRST_OWN on */
    uint16_t next[4];                 /* the next byte of letters, joints, spaces and signs */
    uint32_t slots[1 << ALPHABET_BITS]; /* a code point and its byte */
    uint64_t number;                    /* of the alphabets that there have been, from 1 */
} Alphabet;

/* Return what a code point folds to: up to three codes, the others are 0. */
static inline const uint32_t *
entry_of(const Folding *folding, uint32_t code)
{
    return folding->pages[code / PAGE] + code % PAGE * FOLDS_TO;
}

typedef struct {
    Dictionary dictionary;
    Buffer arena;
} Words;

/* The word list. */
typedef struct {
    Words words;
    uint64_t identity; /* a number that no other table has had */
} List;

/* A token that some text had. */
typedef struct {
    uint32_t text, kind; /* the number of the last such text, and that of the token among its kinds of tokens */
    uint32_t group, in_group; /* the number of the last group with it, and that of the token there */
    uint16_t place;      /* its class in the model of word order, from 1; 0 if nobody asked yet */
    uint8_t classes;     /* of its first character, and JOINED */
    uint8_t known;       /* is it English */
} Seen;

/* The tokens of earlier texts, because most tokens of a text are among them, and the word list is too large for the
 * caches. Their bytes mean characters by an alphabet, or they are UTF-8. */
enum { UTF8 = 0, MOST_SEEN = 8192 };

typedef struct {
    Words words;
    Buffer seen;
    uint32_t asked;    /* how many of them were looked up in the word list */
    uint64_t alphabet; /* its number, or UTF8 */
} Vocabulary;

/* A curve of profile.py in logarithms. */
typedef struct {
    size_t points;
    double *counts, *effectives;
} Curve;

typedef struct {
    const Curve *bigram, *trigram, *english, *character; /* english may be NULL */
    double english_share;
} Reference;

/* An ending that puts a word into a class, if the word has at least so many characters. */
typedef struct {
    uint32_t place, size, shortest, of_class;
} Ending;

/* The model of word_order.py. */
typedef struct {
    Words common; /* the tokens that are a class by themselves */
    Buffer of_common;
    uint32_t classes, word, number, sign;
    uint8_t *near, *far; /* a level for each pair of classes */
    uint16_t *both;      /* twice the near one and the far one */
    Ending *endings;     /* sorted by their last byte, then the longest first */
    uint32_t first_ending[BYTE_VALUES + 1];
    uint8_t *ending_bytes;
    uint64_t identity;
} Order;

/* A text to be scored. */
typedef struct {
    const uint8_t *ascii;  /* its bytes, if it is all ASCII */
    const uint32_t *codes; /* else its code points */
    size_t length;
} Text;

/* How many things occurred once, how many twice and so on: times[1] to times[largest]; zero between uses. The logarithms
 * of small counts are kept once they were needed. */
enum { SMALL = 64 };
typedef struct {
    Buffer times;
    uint32_t largest;
    double logarithms[SMALL];
} Spectrum;

/* Memory for scoring one text, used for one text after another. */
typedef struct {
    const Folding *folding;
    uint64_t identities[3]; /* of the tables for which the rest was made */
    size_t characters; /* of the folded text */
    int in_bytes;      /* a byte a character */
    const uint8_t *classes; /* of bytes: those of ASCII, or of the alphabet */
    Alphabet own;
    uint64_t alphabets; /* how many there have been */
    Buffer shortened; /* the text, if its rulers were too long */
    Buffer bytes;     /* the folded text in bytes */
    Buffer codes;     /* not in bytes: the folded text, and two spaces */
    Vocabulary ascii, others, *vocabulary; /* of texts in ASCII, of others; that of this text */
    uint32_t text;    /* its number, from 1 */
    uint32_t group;   /* the number of its group, from 1 */
    uint32_t tokens, kinds;
    Buffer ids;          /* for each token, the number of its kind, in the order in which they came */
    Buffer kind_numbers; /* for each kind, its number in the vocabulary */
    Buffer kind_classes, kind_counts, kind_known; /* for each kind: its class, how often it occurs, is it English */
    Spectrum spectrum;
    Buffer keys, places, table, table_keys; /* the counted things, their slots, their counts, and the slots' content */
    Buffer numbers_of_codes;        /* a number for each code point; zero between uses */
    Dictionary pairs;               /* for texts of very many kinds of tokens or characters */
    Buffer marks, positions, distances, pair_numbers;
} Scratch;

/* What Python gets for a text: coherence/scoring/fast.py unpacks it. A missing score is not-a-number. */
typedef struct {
    double bigram, trigram, english, character;
    int64_t tokens, characters, template_, surplus, pairs;
} Row;

/* rulers.c */
int short_rulers(Text *text, Scratch *scratch);

/* tokens.c */
int tokenize(const Text *text, const List *list, Scratch *scratch);

/* counts.c */
int count_bigrams(Scratch *scratch);
int count_trigrams(Scratch *scratch);
int count_runs_of_four(Scratch *scratch);
int count_distinct_pairs(uint64_t *pairs, size_t number, size_t kinds, Scratch *scratch, uint64_t *distinct);
uint64_t things(const Spectrum *spectrum);
double take_effective(Spectrum *spectrum);

/* words.c */
int add_word(Words *words, const uint8_t *bytes, size_t size, uint32_t *number);
int is_known(const List *list, const uint8_t *bytes, size_t size, int joined);
void free_words(Words *words);

/* vocabulary.c */
uint8_t *put_utf8(uint8_t *to, uint32_t code);
int start_vocabulary(Scratch *scratch, Vocabulary *vocabulary, uint64_t alphabet);
int add_seen(Vocabulary *vocabulary, const uint8_t *bytes, size_t size, uint32_t *number);
void find_known(Vocabulary *vocabulary, const Alphabet *alphabet, const List *list);
int describe_kinds(Scratch *scratch);
void forget(Scratch *scratch);
void free_vocabulary(Vocabulary *vocabulary);
const uint8_t *
spelled(const Vocabulary *vocabulary, const Alphabet *alphabet, uint32_t number, uint8_t *room, size_t *size);

/* again.c */
int said_again(Scratch *scratch, uint64_t distinct_trigrams, double *share);
int is_template(Scratch *scratch, double again, int64_t *found);

/* order.c */
void neighbours(const Order *order, Scratch *scratch, int64_t *surplus, int64_t *pairs);

/* score.c */
int score_text(
    const Text *text, const List *list, const Reference *reference, const Order *order, Scratch *scratch, Row *row,
    uint64_t *distinct_bigrams
);
void free_scratch(Scratch *scratch);

/* between.c: the samples of one step, compared with each other. */
typedef struct {
    size_t begin, end; /* of its bigrams */
    uint64_t distinct;
    int64_t prompt;
} Compared;

typedef struct {
    Words tokens;
    Buffer numbers, bigrams;
    size_t held;
    int looked_at, judged;
    Compared samples[COMPARED];
} Group;

void begin_group(Group *group, Scratch *scratch);
int add_to_group(Group *group, const Scratch *scratch, const Row *row, int64_t prompt, uint64_t distinct_bigrams);
int between_samples(Group *group, Scratch *scratch, double *between);
void free_group(Group *group);

#endif
