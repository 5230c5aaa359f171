/* blas.h: the thread counts of BLAS libraries that have their own. */
#ifndef PARCEL__BLAS_H
#define PARCEL__BLAS_H

/* Lets OpenBLAS, BLIS and MKL, where they are loaded, use at most so many threads a call. The
 * setters are process-wide: runs that overlap share the least of their limits, and the last
 * restore puts back what the first limit found. Threads: any. */
void parcel__blas_limit(int threads);
void parcel__blas_restore(void);

#endif
