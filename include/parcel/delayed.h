/*
 * parcel/delayed.h: the macros behind DELAYED, delayed, parcel_map and PARCEL_STRUCT.
 * Included by parcel.h, in C only; do not include it alone.
 *
 * DELAYED(R, f, A, B) declares, for the function f: a struct of its arguments, a table of its
 * parameters, a thunk that calls f with the struct's fields, a loop of such calls, a constant
 * parcel_function, and a typed inline constructor that returns the call by value. It asserts that
 * the types are f's. Macro parameters must not bear the name of a struct field that the macro sets.
 */
#ifndef PARCEL_DELAYED_H
#define PARCEL_DELAYED_H

/* As at the end of parcel.h. */
#if defined __GNUC__ && !defined __clang__
#pragma GCC system_header
#endif

/* The kind of an expression's type; other stands for those that have none of their own. */
#define parcel__KIND_OR(expression, other) \
    _Generic((expression), \
        _Bool: PARCEL_BOOL, \
        char: PARCEL_CHAR, \
        signed char: PARCEL_SCHAR, \
        unsigned char: PARCEL_UCHAR, \
        short: PARCEL_SHORT, \
        unsigned short: PARCEL_USHORT, \
        int: PARCEL_INT, \
        unsigned: PARCEL_UINT, \
        long: PARCEL_LONG, \
        unsigned long: PARCEL_ULONG, \
        long long: PARCEL_LLONG, \
        unsigned long long: PARCEL_ULLONG, \
        float: PARCEL_FLOAT, \
        double: PARCEL_DOUBLE, \
        long double: PARCEL_LDOUBLE, \
        float _Complex: PARCEL_CFLOAT, \
        double _Complex: PARCEL_CDOUBLE, \
        long double _Complex: PARCEL_CLDOUBLE, \
        const char *: PARCEL_STRING, \
        char *: PARCEL_WRITABLE_STRING, \
        parcel_array: PARCEL_ARRAY, \
        parcel_value: PARCEL_VALUE, \
        default: (other))

/* All others are pointers, and what is passed as a struct is. */
#define parcel__KIND_OF(expression) \
    parcel__KIND_OR(expression, \
                    parcel__IS_POINTER(expression) ? PARCEL_POINTER : PARCEL_STRUCT_BYTES)
#define parcel__KIND(T) parcel__KIND_OF(*(T *)0)

/* The same, but PARCEL_NONE for numbers that no kind is for: __int128, _Float16 and their like. */
#define parcel__KNOWN_KIND_OF(expression) \
    parcel__KIND_OR(expression, parcel__IS_NUMBER(expression)    ? PARCEL_NONE \
                                : parcel__IS_POINTER(expression) ? PARCEL_POINTER \
                                                                 : PARCEL_STRUCT_BYTES)

/* The compiler's type class, in gcc and clang: 5 is a pointer; 1 to 4, 8, 9 and 18 are integers,
 * floating, complex and of many bits (_BitInt). A float would be promoted, and warned of. */
#define parcel__CLASS(expression) \
    __builtin_classify_type(_Generic((expression), float : 0, default : (expression)))
#define parcel__IS_POINTER(expression) (parcel__CLASS(expression) == 5)
#define parcel__IS_NUMBER(expression) (0x4031e >> (parcel__CLASS(expression) & 31) & 1)

#define parcel__PASTE(a, b) parcel__PASTE_(a, b)
#define parcel__PASTE_(a, b) a##b
#define parcel__STRING(...) #__VA_ARGS__

/* clang-format off: from here on it takes macros for what they are not. */

/* A sentence where only an expression may stand; its value is 0. In strict C99 glibc makes
 * _Static_assert a macro, which is no member of a struct: there the error has no sentence. */
#ifdef _Static_assert
#define parcel__ASSERT(condition, sentence) (0 * (int)sizeof(char[(condition) ? 1 : -1]))
#else
#define parcel__ASSERT(condition, sentence) \
    (0 * (int)sizeof(struct { \
         _Static_assert(condition, sentence); \
         int parcel__unused; \
     }))
#endif

/* 1 for void, which is told apart by pasting onto the type's first word: nothing is left of it.
 * 0 for all else, void * too. */
#define parcel__VOID_void
#define parcel__IS_VOID(T) parcel__IS_EMPTY(parcel__PASTE(parcel__VOID_, T))
#define parcel__IS_EMPTY(...) parcel__PICK(parcel__COMMA_OF __VA_ARGS__())
#define parcel__COMMA_OF() ,
#define parcel__PICK(...) parcel__THIRD(__VA_ARGS__, 1, 0, 0)
#define parcel__THIRD(a, b, c, ...) c

/* A type without its qualifiers, and an array's as a parameter's. */
#define parcel__PLAIN(T) __typeof__(((void)0, *(__typeof__(T) *)0))

/* The number of arguments; too_many for 13 to 20, which is a message of our own. */
#define parcel__COUNT(...) \
    parcel__COUNT_(__VA_ARGS__, too_many, too_many, too_many, too_many, too_many, too_many, \
                   too_many, too_many, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define parcel__COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, count, ...) count

/* macro(u, A, 1) separator() macro(u, B, 2) ..., for each of n types; macro_0 for none. */
#define parcel__EACH_0(macro, separator, u, none) macro##_0(u)
#define parcel__EACH_1(macro, separator, u, A) macro(u, A, 1)
#define parcel__EACH_2(macro, separator, u, A, B) \
    parcel__EACH_1(macro, separator, u, A) separator() macro(u, B, 2)
#define parcel__EACH_3(macro, separator, u, A, B, C) \
    parcel__EACH_2(macro, separator, u, A, B) separator() macro(u, C, 3)
#define parcel__EACH_4(macro, separator, u, A, B, C, D) \
    parcel__EACH_3(macro, separator, u, A, B, C) separator() macro(u, D, 4)
#define parcel__EACH_5(macro, separator, u, A, B, C, D, E) \
    parcel__EACH_4(macro, separator, u, A, B, C, D) separator() macro(u, E, 5)
#define parcel__EACH_6(macro, separator, u, A, B, C, D, E, F) \
    parcel__EACH_5(macro, separator, u, A, B, C, D, E) separator() macro(u, F, 6)
#define parcel__EACH_7(macro, separator, u, A, B, C, D, E, F, G) \
    parcel__EACH_6(macro, separator, u, A, B, C, D, E, F) separator() macro(u, G, 7)
#define parcel__EACH_8(macro, separator, u, A, B, C, D, E, F, G, H) \
    parcel__EACH_7(macro, separator, u, A, B, C, D, E, F, G) separator() macro(u, H, 8)
#define parcel__EACH_9(macro, separator, u, A, B, C, D, E, F, G, H, I) \
    parcel__EACH_8(macro, separator, u, A, B, C, D, E, F, G, H) separator() macro(u, I, 9)
#define parcel__EACH_10(macro, separator, u, A, B, C, D, E, F, G, H, I, J) \
    parcel__EACH_9(macro, separator, u, A, B, C, D, E, F, G, H, I) separator() macro(u, J, 10)
#define parcel__COMMA() ,
#define parcel__SEMICOLON() ;
#define parcel__AND() &&

/* What is made of each parameter: a field and its default, which a delayed call passes on ... */
#define parcel__AS_FIELD(u, T, n) parcel__PLAIN(T) parcel__##n
#define parcel__AS_FIELD_0(u) char parcel__none
#define parcel__AS_ARGUMENT(u, T, n) parcel__a->parcel__##n
#define parcel__AS_ARGUMENT_0(u)
#define parcel__AS_SAMPLE(u, T, n) ((struct parcel__arguments_##u *)0)->parcel__##n
#define parcel__AS_SAMPLE_0(u)
/* ... its kind, and whether it has one ... */
#define parcel__KIND_OF_FIELD(u, T, n) \
    parcel__kind_##n##_##u = parcel__KNOWN_KIND_OF(((struct parcel__arguments_##u *)0)->parcel__##n)
#define parcel__KIND_OF_FIELD_0(u) parcel__no_kind_##u
#define parcel__IS_KNOWN(u, T, n) (parcel__kind_##n##_##u != PARCEL_NONE)
#define parcel__IS_KNOWN_0(u) 1
/* ... its row in the table, and its place in the constructor. */
#define parcel__AS_ROW(u, T, n) \
    { \
        parcel__kind_##n##_##u, sizeof(((struct parcel__arguments_##u *)0)->parcel__##n), \
            offsetof(struct parcel__arguments_##u, parcel__##n), #T \
    }
#define parcel__AS_ROW_0(u) \
    { \
        0, 0, 0, "" \
    }
#define parcel__AS_PARAMETER(u, T, n) \
    __typeof__(((struct parcel__arguments_##u *)0)->parcel__##n) parcel__##n
#define parcel__AS_PARAMETER_0(u) void
#define parcel__AS_VALUE(u, T, n) parcel__##n
#define parcel__AS_VALUE_0(u) 0

/* Whether f is a function of these types, or a pointer to one. (*f would be a warning where f does
 * not return.) */
#define parcel__HAS_TYPE(f, R, types) \
    (__builtin_types_compatible_p(__typeof__(f), __typeof__(R) types) || \
     __builtin_types_compatible_p(__typeof__(f), __typeof__(R)(*) types))
/* The same of one with parameters without names (...), which have the types of what is passed: at
 * most three have names, as in all of C's library. */
#define parcel__IS_OPEN(f, R, types) \
    __builtin_types_compatible_p(__typeof__(f), __typeof__(R) types)
#define parcel__IS_OPEN_0(f, R, none) 0
#define parcel__IS_OPEN_1(f, R, A) parcel__IS_OPEN(f, R, (A, ...))
#define parcel__IS_OPEN_2(f, R, A, B) \
    (parcel__IS_OPEN(f, R, (A, ...)) || parcel__IS_OPEN(f, R, (A, B, ...)))
#define parcel__IS_OPEN_3(f, R, A, B, ...) \
    (parcel__IS_OPEN_2(f, R, A, B) || \
     parcel__IS_OPEN(f, R, (A, B, parcel__FIRST(__VA_ARGS__, ), ...)))
#define parcel__IS_OPEN_4 parcel__IS_OPEN_3
#define parcel__IS_OPEN_5 parcel__IS_OPEN_3
#define parcel__IS_OPEN_6 parcel__IS_OPEN_3
#define parcel__IS_OPEN_7 parcel__IS_OPEN_3
#define parcel__IS_OPEN_8 parcel__IS_OPEN_3
#define parcel__IS_OPEN_9 parcel__IS_OPEN_3
#define parcel__IS_OPEN_10 parcel__IS_OPEN_3
#define parcel__FIRST(first, ...) first

/* A function of its own type is taken, and one of char * also as one of const char *. As one of
 * void each is: there its result is found by a call that does not happen. */
#define parcel__IS_TYPED(n, u, R, f, ...) \
    (parcel__HAS_TYPE(f, parcel__own_##u, (__VA_ARGS__)) || \
     parcel__IS_OPEN_##n(f, parcel__own_##u, __VA_ARGS__) || \
     (__builtin_types_compatible_p(__typeof__(R), const char *) && \
      parcel__HAS_TYPE(f, char *, (__VA_ARGS__))))
#define parcel__OWN_RESULT_0(n, u, R, f, ...) __typeof__(R)
#define parcel__OWN_RESULT_1(n, u, R, f, ...) \
    __typeof__(__builtin_choose_expr(parcel__IS_POINTER(f), f, (parcel__type_##u *)0)( \
        parcel__EACH_##n(parcel__AS_SAMPLE, parcel__COMMA, u, __VA_ARGS__)))

/* A fortified function is two for clang, of which the cast takes the one of the function's type. */
#ifdef __clang__
#define parcel__ONE_FUNCTION(f) ((__typeof__(((void)0, *(__typeof__(f) *)0)))f)
#else
#define parcel__ONE_FUNCTION(f) f
#endif

/* The function, unless it is of other types: then something in its place, so that the sentence
 * about it is the only error. No macro of the function's name is called. */
#define parcel__FUNCTION(u, f) \
    __builtin_choose_expr(parcel__is_typed_##u, parcel__ONE_FUNCTION(f), (parcel__type_##u *)0)

/* By whether the result is void: then what the function returns is ignored with a word. */
#define parcel__STORE_0(u) *(parcel__result_##u *)(void *)parcel__result =
#define parcel__STORE_1(u) (void)
#define parcel__RESULT_TYPE_0(R) parcel__PLAIN(R)
#define parcel__RESULT_TYPE_1(R) void
#define parcel__RESULT_KIND_0(u) parcel__KNOWN_KIND_OF(*(parcel__result_##u *)0)
#define parcel__RESULT_KIND_1(u) PARCEL_NONE
#define parcel__RESULT_0(u, R) \
    { \
        parcel__kind_result_##u, sizeof(parcel__result_##u), _Alignof(parcel__result_##u), #R \
    }
#define parcel__RESULT_1(u, R) \
    { \
        parcel__kind_result_##u, 0, 1, "void" \
    }
#define parcel__RESULT_IS_KNOWN_0(u) (parcel__kind_result_##u != PARCEL_NONE)
#define parcel__RESULT_IS_KNOWN_1(u) 1

static __inline__ __attribute__((unused, always_inline)) parcel_call
parcel__call(const parcel_function *function, const void *arguments, size_t size)
{
    parcel_call call;
    call.function = function;
    memcpy(call.arguments, arguments, size);
    return call;
}

/* All that one DELAYED declares. u: f and the line, so that a second one clashes in few names.
 * is_void: 1 when the result is. element: the type of f's only parameter. The first function is
 * there for its name, which is in the compiler's words when DELAYED stands in a function, or twice,
 * and so is that of the descriptor when DELAYED is missing. */
struct parcel__no_element;
#define parcel__DEFINE(n, element, R, f, ...) \
    parcel__DEFINE_AS(n, parcel__PASTE(parcel__PASTE(f, _), __LINE__), parcel__IS_VOID(R), \
                      element, R, f, __VA_ARGS__)
#define parcel__DEFINE_AS(...) parcel__DEFINE_NOW(__VA_ARGS__)
#define parcel__DEFINE_NOW(n, u, is_void, element, R, f, ...) \
    static __inline__ __attribute__((unused)) void parcel__one_DELAYED_at_file_scope_for_##f(void) \
    { \
    } \
    typedef parcel__RESULT_TYPE_##is_void(R) parcel__result_##u; \
    typedef parcel__result_##u parcel__type_##u(__VA_ARGS__); \
    struct parcel__arguments_##u { \
        parcel__EACH_##n(parcel__AS_FIELD, parcel__SEMICOLON, u, __VA_ARGS__); \
    }; \
    typedef parcel__OWN_RESULT_##is_void(n, u, R, f, __VA_ARGS__) parcel__own_##u; \
    enum { \
        parcel__is_typed_##u = parcel__IS_TYPED(n, u, R, f, __VA_ARGS__), \
        parcel__EACH_##n(parcel__KIND_OF_FIELD, parcel__COMMA, u, __VA_ARGS__), \
        parcel__kind_result_##u = parcel__RESULT_KIND_##is_void(u), \
        parcel__is_known_##u = parcel__EACH_##n(parcel__IS_KNOWN, parcel__AND, u, __VA_ARGS__) && \
                               parcel__RESULT_IS_KNOWN_##is_void(u) \
    }; \
    _Static_assert(parcel__is_typed_##u, \
                   "DELAYED(" #R ", " #f ", ...): " #f \
                   " is not a function with this result and these parameters"); \
    _Static_assert(parcel__is_known_##u, \
                   "DELAYED(" #R ", " #f ", ...): a parameter or the result is of a type that " \
                   "Parcel does not know, as __int128 or _Float16; a struct may hold it"); \
    _Static_assert(_Alignof(struct parcel__arguments_##u) <= 16, \
                   "the arguments of a delayed call are aligned to at most 16 bytes"); \
    static const parcel_parameter parcel__parameters_##u[] = { \
        parcel__EACH_##n(parcel__AS_ROW, parcel__COMMA, u, __VA_ARGS__)}; \
    static void parcel__thunk_##u(const void *parcel__arguments, void *parcel__result) \
    { \
        const struct parcel__arguments_##u *parcel__a = \
            (const struct parcel__arguments_##u *)parcel__arguments; \
        (void)parcel__a; \
        (void)parcel__result; \
        parcel__STORE_##is_void(u) parcel__FUNCTION(u, f)( \
            parcel__EACH_##n(parcel__AS_ARGUMENT, parcel__COMMA, u, __VA_ARGS__)); \
    } \
    /* The same for many calls. It stands where the function is known, so that the compiler may \
     * inline it: a call then costs what it costs in a loop that is written by hand. */ \
    static size_t parcel__loop_##u(const parcel_stretch *parcel__stretch, \
                                   parcel_running *parcel__running) \
    { \
        const parcel_stretch parcel__s = *parcel__stretch; \
        const unsigned char *parcel__arguments = parcel__s.arguments; \
        unsigned char *parcel__result = parcel__s.results; \
        size_t parcel__index = parcel__s.first; \
        const size_t parcel__end = parcel__s.first + parcel__s.count; \
        do { \
            const struct parcel__arguments_##u *parcel__a = \
                (const struct parcel__arguments_##u *)(const void *)parcel__arguments; \
            (void)parcel__a, (void)parcel__result; \
            parcel__running->index = parcel__index; \
            parcel__STORE_##is_void(u) parcel__FUNCTION(u, f)( \
                parcel__EACH_##n(parcel__AS_ARGUMENT, parcel__COMMA, u, __VA_ARGS__)); \
            parcel__arguments += parcel__s.stride; \
            parcel__result += parcel__s.result_stride; \
            parcel__index++; \
        } while (parcel__index < parcel__end && \
                 __atomic_load_n(&parcel__running->events, __ATOMIC_RELAXED) == 0); \
        return parcel__index - parcel__s.first; \
    } \
    static const struct { \
        parcel_function function; \
        element *no_element; /* its type tells parcel_map what it wants */ \
    } parcel__made_by_DELAYED_##f = { \
        {.size = sizeof(parcel_function), \
         .n_parameters = n, \
         .name = #f, \
         .address = (void (*)(void))parcel__FUNCTION(u, f), \
         .thunk = parcel__thunk_##u, \
         .parameters = parcel__parameters_##u, \
         .argument_bytes = sizeof(struct parcel__arguments_##u), \
         .argument_alignment = _Alignof(struct parcel__arguments_##u), \
         .result = parcel__RESULT_##is_void(u, R), \
         .loop = parcel__loop_##u}, \
        0}; \
    static __inline__ __attribute__((unused)) parcel_call parcel__delayed_##f( \
        parcel__EACH_##n(parcel__AS_PARAMETER, parcel__COMMA, u, __VA_ARGS__)) \
    { \
        const struct parcel__arguments_##u parcel__boxed = { \
            parcel__EACH_##n(parcel__AS_VALUE, parcel__COMMA, u, __VA_ARGS__)}; \
        return parcel__call(&parcel__made_by_DELAYED_##f.function, &parcel__boxed, \
                            sizeof parcel__boxed); \
    } \
    _Static_assert(sizeof(struct parcel__arguments_##u) <= PARCEL_MAX_ARGUMENT_BYTES, \
                   "the arguments of a delayed call take at most 240 bytes together")

/* By the number of arguments of DELAYED: R and f count too. */
#define parcel__DELAYED_1(...) \
    _Static_assert(0, "DELAYED wants a result, a function, and the types of its parameters")
#define parcel__DELAYED_2(R, f) parcel__DEFINE(0, struct parcel__no_element, R, f, void)
#define parcel__DELAYED_3(R, f, T) parcel__PASTE(parcel__DELAYED_ONE_, parcel__IS_VOID(T))(R, f, T)
#define parcel__DELAYED_ONE_0(R, f, T) parcel__DEFINE(1, parcel__PLAIN(T), R, f, T)
#define parcel__DELAYED_ONE_1(R, f, T) parcel__DELAYED_2(R, f)
#define parcel__DELAYED_4(R, f, ...) parcel__DEFINE(2, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_5(R, f, ...) parcel__DEFINE(3, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_6(R, f, ...) parcel__DEFINE(4, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_7(R, f, ...) parcel__DEFINE(5, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_8(R, f, ...) parcel__DEFINE(6, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_9(R, f, ...) parcel__DEFINE(7, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_10(R, f, ...) \
    parcel__DEFINE(8, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_11(R, f, ...) \
    parcel__DEFINE(9, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_12(R, f, ...) \
    parcel__DEFINE(10, struct parcel__no_element, R, f, __VA_ARGS__)
#define parcel__DELAYED_too_many(...) \
    _Static_assert(0, "a delayed function has at most 10 parameters")

/* The constructor that DELAYED has made for f. */
#define parcel__CONSTRUCTOR(f) \
    __builtin_choose_expr(sizeof parcel__PASTE(parcel__made_by_DELAYED_, f) != 0, \
                          parcel__PASTE(parcel__delayed_, f), 0)

/* Zeroed memory for a value, in the enclosing block. */
#define parcel__SCRATCH(T) \
    (&(union { \
        unsigned char zero[sizeof(T)]; \
        T value; \
    }){{0}})

/* 0, as a size; an error when no result is of that type. */
#define parcel__ASSERT_KNOWN(T) \
    (size_t) parcel__ASSERT(parcel__KNOWN_KIND_OF(*(T *)0) != PARCEL_NONE, \
                            "no result is of the type " #T)

/* 0; an error when f is not delayed, or does not take the elements of the array (or of what a
 * pointer points at) as its only parameter. */
#define parcel__ASSERT_ARRAY_OF(array, f) \
    parcel__ASSERT( \
        parcel__IS_POINTER_TO(__typeof__(&(array)[0]), \
                              __typeof__(*parcel__PASTE(parcel__made_by_DELAYED_, f).no_element)), \
        "parcel_map(" #f ", array, count) wants a function of one parameter, and an array of its " \
        "type")
#define parcel__IS_POINTER_TO(pointer, T) \
    (__builtin_types_compatible_p(pointer, T *) || __builtin_types_compatible_p(pointer, const T *))

/* 0; an error when options do not begin with a name. */
#define parcel__NAMED(...) \
    __extension__ parcel__ASSERT(sizeof(parcel__STRING(__VA_ARGS__)) == 1 || \
                                     __builtin_strncmp(parcel__STRING(__VA_ARGS__), ".", 1) == 0, \
                                 "options are given by name, as in Parallel(.n_jobs = 2)(calls)")

/* The second macro takes the calls; its name is in the compiler's words when they are missing. */
#define parcel__RUN(...) parcel_run(&__VA_ARGS__ parcel__calls_follow_in_parentheses
#define parcel__calls_follow_in_parentheses(...) , __VA_ARGS__)
/* clang-format on */

/* Fields of a described struct. An array field is told apart by its address's type: in an
 * expression it would decay to a pointer. */
#define parcel__LENGTH(F, T) (sizeof(F) / (sizeof(T)) + !(sizeof(F) / (sizeof(T))))
#define parcel__ELEMENT_OF(F) \
    _Generic(&(F), _Bool(*)[parcel__LENGTH(F, _Bool)] \
             : PARCEL_BOOL, char(*)[parcel__LENGTH(F, char)] \
             : PARCEL_CHAR, signed char(*)[parcel__LENGTH(F, char)] \
             : PARCEL_SCHAR, unsigned char(*)[parcel__LENGTH(F, char)] \
             : PARCEL_UCHAR, short(*)[parcel__LENGTH(F, short)] \
             : PARCEL_SHORT, unsigned short(*)[parcel__LENGTH(F, short)] \
             : PARCEL_USHORT, int(*)[parcel__LENGTH(F, int)] \
             : PARCEL_INT, unsigned(*)[parcel__LENGTH(F, int)] \
             : PARCEL_UINT, long(*)[parcel__LENGTH(F, long)] \
             : PARCEL_LONG, unsigned long(*)[parcel__LENGTH(F, long)] \
             : PARCEL_ULONG, long long(*)[parcel__LENGTH(F, long long)] \
             : PARCEL_LLONG, unsigned long long(*)[parcel__LENGTH(F, long long)] \
             : PARCEL_ULLONG, float(*)[parcel__LENGTH(F, float)] \
             : PARCEL_FLOAT, double(*)[parcel__LENGTH(F, double)] \
             : PARCEL_DOUBLE, default \
             : PARCEL_NONE)
#define parcel__FIELD(S, F) \
    { \
#F, parcel__KIND_OF(((S *)0)->F), parcel__ELEMENT_OF(((S *)0)->F), offsetof(S, F), \
            sizeof(((S *)0)->F) \
    }
#define parcel__FIELDS_1(S, F) parcel__FIELD(S, F)
#define parcel__FIELDS_2(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_1(S, __VA_ARGS__)
#define parcel__FIELDS_3(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_2(S, __VA_ARGS__)
#define parcel__FIELDS_4(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_3(S, __VA_ARGS__)
#define parcel__FIELDS_5(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_4(S, __VA_ARGS__)
#define parcel__FIELDS_6(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_5(S, __VA_ARGS__)
#define parcel__FIELDS_7(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_6(S, __VA_ARGS__)
#define parcel__FIELDS_8(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_7(S, __VA_ARGS__)
#define parcel__FIELDS_9(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_8(S, __VA_ARGS__)
#define parcel__FIELDS_10(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_9(S, __VA_ARGS__)
#define parcel__FIELDS_11(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_10(S, __VA_ARGS__)
#define parcel__FIELDS_12(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_11(S, __VA_ARGS__)
#define parcel__FIELDS_13(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_12(S, __VA_ARGS__)
#define parcel__FIELDS_14(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_13(S, __VA_ARGS__)
#define parcel__FIELDS_15(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_14(S, __VA_ARGS__)
#define parcel__FIELDS_16(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_15(S, __VA_ARGS__)
#define parcel__FIELDS_17(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_16(S, __VA_ARGS__)
#define parcel__FIELDS_18(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_17(S, __VA_ARGS__)
#define parcel__FIELDS_19(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_18(S, __VA_ARGS__)
#define parcel__FIELDS_20(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_19(S, __VA_ARGS__)
#define parcel__FIELDS_21(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_20(S, __VA_ARGS__)
#define parcel__FIELDS_22(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_21(S, __VA_ARGS__)
#define parcel__FIELDS_23(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_22(S, __VA_ARGS__)
#define parcel__FIELDS_24(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_23(S, __VA_ARGS__)
#define parcel__FIELDS_25(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_24(S, __VA_ARGS__)
#define parcel__FIELDS_26(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_25(S, __VA_ARGS__)
#define parcel__FIELDS_27(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_26(S, __VA_ARGS__)
#define parcel__FIELDS_28(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_27(S, __VA_ARGS__)
#define parcel__FIELDS_29(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_28(S, __VA_ARGS__)
#define parcel__FIELDS_30(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_29(S, __VA_ARGS__)
#define parcel__FIELDS_31(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_30(S, __VA_ARGS__)
#define parcel__FIELDS_32(S, F, ...) parcel__FIELD(S, F), parcel__FIELDS_31(S, __VA_ARGS__)
#define parcel__COUNT_FIELDS(...) \
    parcel__COUNT_FIELDS_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, \
                          17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define parcel__COUNT_FIELDS_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, \
                              a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, \
                              a29, a30, a31, a32, n, ...) \
    n

/* The struct is registered before main, and again forgotten when its object is unloaded. */
#define parcel__STRUCT(unit, S, ...) \
    static const parcel_field parcel__PASTE(parcel__fields_, unit)[] = { \
        parcel__PASTE(parcel__FIELDS_, parcel__COUNT_FIELDS(__VA_ARGS__))(S, __VA_ARGS__)}; \
    static parcel_structure parcel__PASTE(parcel__structure_, unit) = { \
        #S, sizeof(S), parcel__PASTE(parcel__fields_, unit), \
        sizeof parcel__PASTE(parcel__fields_, unit) / sizeof(parcel_field), 0}; \
    __attribute__((constructor)) static void parcel__PASTE(parcel__PARCEL_STRUCT_at_file_scope_, \
                                                           unit)(void) \
    { \
        parcel__structure_register(&parcel__PASTE(parcel__structure_, unit)); \
    } \
    __attribute__((destructor)) static void parcel__PASTE(parcel__leave_, unit)(void) \
    { \
        parcel__structure_unregister(&parcel__PASTE(parcel__structure_, unit)); \
    } \
    struct parcel__PASTE(parcel__end_, unit)

/* ---- gcc --coverage ---- */

/* Writes what was counted, as a worker process does before it ends; goes_on: and counts from 0 on.
 * What gcc compiles so takes care of exec, and so execv, which is never called, brings __gcov_dump
 * into a program that counts, and into no other. */
#ifndef PARCEL__IS_LIBRARY
extern void __gcov_dump(void) __attribute__((weak));
extern void __gcov_reset(void) __attribute__((weak));
__attribute__((weak, visibility("default"))) void parcel__counts(bool goes_on, char *const *never);
__attribute__((weak, visibility("default"))) void parcel__counts(bool goes_on, char *const *never)
{
#ifdef __clang__
    (void)never;
#else
    if (never)
        (void)__builtin_execv(never[0], never);
#endif
    if (__gcov_dump)
        __gcov_dump();
    if (goes_on && __gcov_reset)
        __gcov_reset();
}
#endif

#endif
