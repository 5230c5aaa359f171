/*
 * histogram_svg.h: histograms of bootstrap results, as one self-contained SVG picture.
 */
#ifndef HISTOGRAM_SVG_H
#define HISTOGRAM_SVG_H

#include <stddef.h>
#include <stdio.h>

/* The texts stand in the picture as they are: XML's own characters must be written as entities. */
struct histogram {
    const char *title;
    const char *unit;
    const double *values; /* in ascending order */
    size_t count;         /* at least 1 */
    double estimate;      /* from the original data */
    double low, high;     /* the ends of the interval */
    int decimals;         /* of the three above, when printed */
};

/* Writes one panel under the other. Whether a write failed, ferror(file) tells. */
void histogram_svg_write(FILE *file, const char *title, const char *source,
                         const struct histogram *histograms, size_t count);

#endif
