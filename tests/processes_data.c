#include "processes.h"
void add_data_tests(Suite *suite){(void)suite;}
