/*
 * parcel/delayed.h: the macros behind DELAYED, delayed, parcel_map and PARCEL_STRUCT.
 * Included by parcel.h, in C only; do not include it alone.
 *
 * DELAYED(R, f, A, B) declares, for the function f: a struct of its arguments, a table of its
 * parameters, a thunk that calls (f)(...) with the struct's fields, a constant parcel_function,
 * and a typed inline constructor that returns the call by value. Macro parameters must not bear
 * the name of a struct field that the macro sets.
 */
#ifndef PARCEL_DELAYED_H
#define PARCEL_DELAYED_H

/* The kind of an expression's type. A pointer and a struct fall together in the default; the
 * compiler's type class (5 is a pointer, in gcc and clang) tells them apart. */
#define parcel__KIND_OF(expression) \
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
        default: (__builtin_classify_type(expression) == 5 ? PARCEL_POINTER \
                                                           : PARCEL_STRUCT_BYTES))
#define parcel__KIND(T) parcel__KIND_OF(*(T *)0)

#define parcel__PASTE(a, b) parcel__PASTE_(a, b)
#define parcel__PASTE_(a, b) a##b
#define parcel__SECOND(a, b, ...) b
#define parcel__EXPAND_SECOND(...) parcel__SECOND(__VA_ARGS__, 0, 0)

/* void is told apart by pasting onto the type's first word. */
#define parcel__VOID_void ~, 1
#define parcel__IS_VOID(R) parcel__EXPAND_SECOND(parcel__PASTE(parcel__VOID_, R))

/* The number of arguments; too_many for 13 to 20, which is a message of our own. */
#define parcel__COUNT(...) \
    parcel__COUNT_(__VA_ARGS__, too_many, too_many, too_many, too_many, too_many, too_many, \
                   too_many, too_many, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define parcel__COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, count, ...) count
#define parcel__DELAYED_too_many(...) \
    _Static_assert(0, "a delayed function has at most 10 parameters")

#define parcel__STRIP(...) __VA_ARGS__
#define parcel__ARGUMENTS(f, fields) \
    struct parcel__arguments_##f { \
        parcel__STRIP fields \
    }; \
    _Static_assert(sizeof(struct parcel__arguments_##f) <= PARCEL_MAX_ARGUMENT_BYTES, \
                   "the arguments of a delayed call take at most 240 bytes together"); \
    _Static_assert(_Alignof(struct parcel__arguments_##f) <= 16, \
                   "the arguments of a delayed call are aligned to at most 16 bytes");

#define parcel__PARAMETER(f, T, n) \
    { \
        parcel__KIND(T), sizeof(T), offsetof(struct parcel__arguments_##f, parcel__##n), #T \
    }

/* The call stands in parentheses, so that a macro of the function's name is not called. */
#define parcel__THUNK(R, f, pass) \
    static void parcel__thunk_##f(const void *parcel__arguments, void *parcel__result) \
    { \
        const struct parcel__arguments_##f *parcel__a = \
            (const struct parcel__arguments_##f *)parcel__arguments; \
        (void)parcel__a; \
        (void)parcel__result; \
        parcel__PASTE(parcel__STORE_, parcel__IS_VOID(R))(R)(f)pass; \
    }
#define parcel__STORE_0(R) *(R *)parcel__result =
#define parcel__STORE_1(R)

/* The same for many calls. It stands where the function is known, so that the compiler may inline
 * it: a call then costs what it costs in a loop that is written by hand. */
#define parcel__LOOP(R, f, pass) \
    static size_t parcel__loop_##f(const parcel_stretch *parcel__stretch, \
                                   parcel_running *parcel__running) \
    { \
        const parcel_stretch parcel__s = *parcel__stretch; \
        const unsigned char *parcel__arguments = parcel__s.arguments; \
        unsigned char *parcel__result = parcel__s.results; \
        size_t parcel__index = parcel__s.first; \
        const size_t parcel__end = parcel__s.first + parcel__s.count; \
        do { \
            const struct parcel__arguments_##f *parcel__a = \
                (const struct parcel__arguments_##f *)(const void *)parcel__arguments; \
            (void)parcel__a, (void)parcel__result; \
            parcel__running->index = parcel__index; \
            parcel__PASTE(parcel__KEEP_, parcel__IS_VOID(R))(R)(f)pass; \
            parcel__arguments += parcel__s.stride; \
            parcel__result += parcel__s.result_stride; \
            parcel__index++; \
        } while (parcel__index < parcel__end && \
                 __atomic_load_n(&parcel__running->events, __ATOMIC_RELAXED) == 0); \
        return parcel__index - parcel__s.first; \
    }
#define parcel__KEEP_0(R) *(R *)(void *)parcel__result =
#define parcel__KEEP_1(R)

#define parcel__FUNCTION(R, f, n) \
    static const parcel_function parcel__function_##f = { \
        .size = sizeof(parcel_function), \
        .n_parameters = n, \
        .name = #f, \
        .address = (void (*)(void))(f), \
        .thunk = parcel__thunk_##f, \
        .parameters = parcel__parameters_##f, \
        .argument_bytes = sizeof(struct parcel__arguments_##f), \
        .argument_alignment = _Alignof(struct parcel__arguments_##f), \
        .result = parcel__PASTE(parcel__RESULT_, parcel__IS_VOID(R))(R), \
        .loop = parcel__loop_##f};
#define parcel__RESULT_0(R) \
    { \
        parcel__KIND(R), sizeof(R), _Alignof(R), #R \
    }
#define parcel__RESULT_1(R) \
    { \
        PARCEL_NONE, 0, 1, "void" \
    }

/* What parcel_map checks an array's element type against. */
#define parcel__ELEMENT(f, T) typedef T parcel__element_##f;

/* All that one DELAYED declares; it ends in a forward declaration, which takes its semicolon. */
/* clang-format off: it cannot tell the declarations of a macro apart. */
#define parcel__DEFINE(R, f, n, parameter_list, fields, rows, pass, values) \
    parcel__ARGUMENTS(f, fields) static const parcel_parameter parcel__parameters_##f[] = { \
        parcel__STRIP rows}; \
    parcel__THUNK(R, f, pass) parcel__LOOP(R, f, pass) parcel__FUNCTION(R, f, n) static inline \
        __attribute__((unused)) parcel_call parcel__delayed_##f parameter_list \
    { \
        const struct parcel__arguments_##f parcel__boxed = {parcel__STRIP values}; \
        return parcel__call(&parcel__function_##f, &parcel__boxed, sizeof parcel__boxed); \
    } \
    struct parcel__arguments_##f
/* clang-format on */

static inline __attribute__((unused, always_inline)) parcel_call
parcel__call(const parcel_function *function, const void *arguments, size_t size)
{
    parcel_call call;
    call.function = function;
    memcpy(call.arguments, arguments, size);
    return call;
}

/* One row for each number of parameters; R and f count too. */
#define parcel__DELAYED_2(R, f) \
    parcel__DEFINE(R, f, 0, (void), (char parcel__none;), ({0, 0, 0, ""}), (), (0))
#define parcel__DELAYED_3(R, f, T1) \
    parcel__ELEMENT(f, T1) \
        parcel__DEFINE(R, f, 1, (T1 parcel__1), (T1 parcel__1;), (parcel__PARAMETER(f, T1, 1)), \
                       (parcel__a->parcel__1), (parcel__1))
#define parcel__DELAYED_4(R, f, T1, T2) \
    parcel__DEFINE(R, f, 2, (T1 parcel__1, T2 parcel__2), (T1 parcel__1; T2 parcel__2;), \
                   (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2)), \
                   (parcel__a->parcel__1, parcel__a->parcel__2), (parcel__1, parcel__2))
#define parcel__DELAYED_5(R, f, T1, T2, T3) \
    parcel__DEFINE( \
        R, f, 3, (T1 parcel__1, T2 parcel__2, T3 parcel__3), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3), \
        (parcel__1, parcel__2, parcel__3))
#define parcel__DELAYED_6(R, f, T1, T2, T3, T4) \
    parcel__DEFINE( \
        R, f, 4, (T1 parcel__1, T2 parcel__2, T3 parcel__3, T4 parcel__4), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3; T4 parcel__4;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3), \
         parcel__PARAMETER(f, T4, 4)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3, parcel__a->parcel__4), \
        (parcel__1, parcel__2, parcel__3, parcel__4))
#define parcel__DELAYED_7(R, f, T1, T2, T3, T4, T5) \
    parcel__DEFINE( \
        R, f, 5, (T1 parcel__1, T2 parcel__2, T3 parcel__3, T4 parcel__4, T5 parcel__5), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3; T4 parcel__4; T5 parcel__5;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3), \
         parcel__PARAMETER(f, T4, 4), parcel__PARAMETER(f, T5, 5)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3, parcel__a->parcel__4, \
         parcel__a->parcel__5), \
        (parcel__1, parcel__2, parcel__3, parcel__4, parcel__5))
#define parcel__DELAYED_8(R, f, T1, T2, T3, T4, T5, T6) \
    parcel__DEFINE( \
        R, f, 6, \
        (T1 parcel__1, T2 parcel__2, T3 parcel__3, T4 parcel__4, T5 parcel__5, T6 parcel__6), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3; T4 parcel__4; T5 parcel__5; T6 parcel__6;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3), \
         parcel__PARAMETER(f, T4, 4), parcel__PARAMETER(f, T5, 5), parcel__PARAMETER(f, T6, 6)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3, parcel__a->parcel__4, \
         parcel__a->parcel__5, parcel__a->parcel__6), \
        (parcel__1, parcel__2, parcel__3, parcel__4, parcel__5, parcel__6))
#define parcel__DELAYED_9(R, f, T1, T2, T3, T4, T5, T6, T7) \
    parcel__DEFINE( \
        R, f, 7, \
        (T1 parcel__1, T2 parcel__2, T3 parcel__3, T4 parcel__4, T5 parcel__5, T6 parcel__6, \
         T7 parcel__7), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3; T4 parcel__4; T5 parcel__5; T6 parcel__6; \
         T7 parcel__7;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3), \
         parcel__PARAMETER(f, T4, 4), parcel__PARAMETER(f, T5, 5), parcel__PARAMETER(f, T6, 6), \
         parcel__PARAMETER(f, T7, 7)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3, parcel__a->parcel__4, \
         parcel__a->parcel__5, parcel__a->parcel__6, parcel__a->parcel__7), \
        (parcel__1, parcel__2, parcel__3, parcel__4, parcel__5, parcel__6, parcel__7))
#define parcel__DELAYED_10(R, f, T1, T2, T3, T4, T5, T6, T7, T8) \
    parcel__DEFINE( \
        R, f, 8, \
        (T1 parcel__1, T2 parcel__2, T3 parcel__3, T4 parcel__4, T5 parcel__5, T6 parcel__6, \
         T7 parcel__7, T8 parcel__8), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3; T4 parcel__4; T5 parcel__5; T6 parcel__6; \
         T7 parcel__7; T8 parcel__8;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3), \
         parcel__PARAMETER(f, T4, 4), parcel__PARAMETER(f, T5, 5), parcel__PARAMETER(f, T6, 6), \
         parcel__PARAMETER(f, T7, 7), parcel__PARAMETER(f, T8, 8)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3, parcel__a->parcel__4, \
         parcel__a->parcel__5, parcel__a->parcel__6, parcel__a->parcel__7, parcel__a->parcel__8), \
        (parcel__1, parcel__2, parcel__3, parcel__4, parcel__5, parcel__6, parcel__7, parcel__8))
#define parcel__DELAYED_11(R, f, T1, T2, T3, T4, T5, T6, T7, T8, T9) \
    parcel__DEFINE( \
        R, f, 9, \
        (T1 parcel__1, T2 parcel__2, T3 parcel__3, T4 parcel__4, T5 parcel__5, T6 parcel__6, \
         T7 parcel__7, T8 parcel__8, T9 parcel__9), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3; T4 parcel__4; T5 parcel__5; T6 parcel__6; \
         T7 parcel__7; T8 parcel__8; T9 parcel__9;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3), \
         parcel__PARAMETER(f, T4, 4), parcel__PARAMETER(f, T5, 5), parcel__PARAMETER(f, T6, 6), \
         parcel__PARAMETER(f, T7, 7), parcel__PARAMETER(f, T8, 8), parcel__PARAMETER(f, T9, 9)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3, parcel__a->parcel__4, \
         parcel__a->parcel__5, parcel__a->parcel__6, parcel__a->parcel__7, parcel__a->parcel__8, \
         parcel__a->parcel__9), \
        (parcel__1, parcel__2, parcel__3, parcel__4, parcel__5, parcel__6, parcel__7, parcel__8, \
         parcel__9))
#define parcel__DELAYED_12(R, f, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10) \
    parcel__DEFINE( \
        R, f, 10, \
        (T1 parcel__1, T2 parcel__2, T3 parcel__3, T4 parcel__4, T5 parcel__5, T6 parcel__6, \
         T7 parcel__7, T8 parcel__8, T9 parcel__9, T10 parcel__10), \
        (T1 parcel__1; T2 parcel__2; T3 parcel__3; T4 parcel__4; T5 parcel__5; T6 parcel__6; \
         T7 parcel__7; T8 parcel__8; T9 parcel__9; T10 parcel__10;), \
        (parcel__PARAMETER(f, T1, 1), parcel__PARAMETER(f, T2, 2), parcel__PARAMETER(f, T3, 3), \
         parcel__PARAMETER(f, T4, 4), parcel__PARAMETER(f, T5, 5), parcel__PARAMETER(f, T6, 6), \
         parcel__PARAMETER(f, T7, 7), parcel__PARAMETER(f, T8, 8), parcel__PARAMETER(f, T9, 9), \
         parcel__PARAMETER(f, T10, 10)), \
        (parcel__a->parcel__1, parcel__a->parcel__2, parcel__a->parcel__3, parcel__a->parcel__4, \
         parcel__a->parcel__5, parcel__a->parcel__6, parcel__a->parcel__7, parcel__a->parcel__8, \
         parcel__a->parcel__9, parcel__a->parcel__10), \
        (parcel__1, parcel__2, parcel__3, parcel__4, parcel__5, parcel__6, parcel__7, parcel__8, \
         parcel__9, parcel__10))

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
    __attribute__((constructor)) static void parcel__PASTE(parcel__enter_, unit)(void) \
    { \
        parcel__structure_register(&parcel__PASTE(parcel__structure_, unit)); \
    } \
    __attribute__((destructor)) static void parcel__PASTE(parcel__leave_, unit)(void) \
    { \
        parcel__structure_unregister(&parcel__PASTE(parcel__structure_, unit)); \
    } \
    struct parcel__PASTE(parcel__end_, unit)

#endif
