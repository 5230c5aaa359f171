#include "processes.h"
void add_program_tests(Suite *suite){(void)suite;}
