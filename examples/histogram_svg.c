/*
 * histogram_svg.c: draws histograms as SVG: bars, axes with round ticks, the interval as a band,
 * the estimate as a line. Bars and ticks share their steps, so that every tick is a bar's edge.
 */
#include "histogram_svg.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = 860,
    HEAD = 64,
    PANEL = 330, /* height of a panel, its texts included */
    FOOT = 34,
    LEFT = 76,
    RIGHT = WIDTH - 30,
    TOP = 78, /* of a plot within its panel */
    BOTTOM = PANEL - 54,
    BARS_IN_A_TICK = 5,
    MAX_BARS = 128
};

static const char style[] =
    "<style>\n"
    "text { font-family: 'Helvetica Neue', Helvetica, Arial, sans-serif; fill: #333; }\n"
    ".heading { font-size: 21px; font-weight: bold; fill: #111; }\n"
    ".title { font-size: 16px; font-weight: bold; fill: #111; }\n"
    ".label { font-size: 13px; }\n"
    ".tick { font-size: 12px; fill: #555; }\n"
    ".number { font-size: 13px; font-weight: bold; fill: #a63603; }\n"
    ".grid { stroke: #e4e4e4; stroke-width: 1; }\n"
    ".axis { stroke: #555; stroke-width: 1; fill: none; }\n"
    ".bar { fill: #6baed6; stroke: #fff; stroke-width: 1; }\n"
    ".band { fill: #fdd0a2; fill-opacity: 0.45; }\n"
    ".end { stroke: #d94801; stroke-width: 1.5; stroke-dasharray: 5 4; }\n"
    ".estimate { stroke: #a63603; stroke-width: 2; }\n"
    "</style>\n";

/* What the bars of one panel count, and how its axes are cut. */
struct scale {
    double step;      /* of the ticks; a bar is step / BARS_IN_A_TICK wide */
    long first, last; /* ticks at the ends of the axis, in steps */
    size_t bar[MAX_BARS];
    size_t count_step, count_last; /* of the other axis */
};

/* The smallest of 1, 2, 5 times a power of ten that is not below x. */
static double round_up(double x)
{
    double power = pow(10, floor(log10(x)));
    double factor = x / power;
    return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}

static size_t bar_of(const struct scale *scale, double value)
{
    double bar = floor((value / scale->step - (double)scale->first) * (double)BARS_IN_A_TICK);
    double last = (double)((scale->last - scale->first) * BARS_IN_A_TICK - 1);
    return (size_t)fmax(0, fmin(bar, last));
}

static struct scale scale_for(const struct histogram *h)
{
    double low = fmin(h->values[0], h->estimate);
    double high = fmax(h->values[h->count - 1], h->estimate);
    double least = 1e-9 + 1e-6 * fmax(fabs(low), fabs(high)); /* equal but for rounding */
    double range = high - low > least ? high - low : 1;
    struct scale scale = {.step = round_up(range / 10)};
    scale.first = lround(floor(low / scale.step));
    scale.last = lround(floor(high / scale.step)) + 1;

    size_t most = 1;
    for (size_t i = 0; i < h->count; i++) {
        size_t bar = bar_of(&scale, h->values[i]);
        if (++scale.bar[bar] > most)
            most = scale.bar[bar];
    }
    scale.count_step = (size_t)fmax(1, round_up((double)most / 5));
    scale.count_last = (most + scale.count_step - 1) / scale.count_step;
    return scale;
}

static double x_of(const struct scale *scale, double value)
{
    double steps = value / scale->step - (double)scale->first;
    return (double)LEFT + (double)(RIGHT - LEFT) * steps / (double)(scale->last - scale->first);
}

static double y_of(const struct scale *scale, double count)
{
    return (double)BOTTOM -
           (double)(BOTTOM - TOP) * count / (double)(scale->count_step * scale->count_last);
}

/* A number as type has it: with a minus sign, not a hyphen, and never -0. */
static void print_number(FILE *file, double number, int decimals)
{
    double unit = pow(10, -decimals);
    fprintf(file, "%s%.*f", number <= -unit / 2 ? "&#8722;" : "", decimals, fabs(number));
}

static void draw_line(FILE *file, const char *class, double x1, double y1, double x2, double y2)
{
    fprintf(file, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
            x1, y1, x2, y2);
}

static void draw_count_axis(FILE *file, const struct scale *scale)
{
    for (size_t i = 0; i <= scale->count_last; i++) {
        size_t count = i * scale->count_step;
        double y = y_of(scale, (double)count);
        draw_line(file, "grid", LEFT, y, RIGHT, y);
        fprintf(file, "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%zu</text>\n",
                LEFT - 8, y + 4, count);
    }
    fprintf(file,
            "<text class=\"label\" text-anchor=\"middle\" "
            "transform=\"translate(20 %d) rotate(-90)\">replicates</text>\n",
            (TOP + BOTTOM) / 2);
}

static void draw_value_axis(FILE *file, const struct histogram *h, const struct scale *scale)
{
    int decimals = (int)fmax(0, -floor(log10(scale->step) + 1e-9));
    draw_line(file, "axis", LEFT, BOTTOM, RIGHT, BOTTOM);
    for (long i = scale->first; i <= scale->last; i++) {
        double x = x_of(scale, (double)i * scale->step);
        draw_line(file, "axis", x, BOTTOM, x, BOTTOM + 5);
        fprintf(file, "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">", x,
                BOTTOM + 19);
        print_number(file, (double)i * scale->step, decimals);
        fprintf(file, "</text>\n");
    }
    fprintf(file, "<text class=\"label\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">%s</text>\n",
            (LEFT + RIGHT) / 2, BOTTOM + 41, h->unit);
}

static void draw_bars(FILE *file, const struct scale *scale)
{
    long n_bars = (scale->last - scale->first) * BARS_IN_A_TICK;
    double width = (double)(RIGHT - LEFT) / (double)n_bars;
    for (long i = 0; i < n_bars; i++) {
        double y = y_of(scale, (double)scale->bar[i]);
        if (scale->bar[i] > 0)
            fprintf(file,
                    "<rect class=\"bar\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>\n",
                    (double)LEFT + (double)i * width, y, width, (double)BOTTOM - y);
    }
}

static void draw_mark(FILE *file, const struct histogram *h, const struct scale *scale,
                      double value, const char *class)
{
    double x = x_of(scale, value);
    int is_estimate = strcmp(class, "estimate") == 0;
    const char *anchor = is_estimate ? "middle" : value == h->low ? "end" : "start";
    double aside = is_estimate ? 0 : value == h->low ? -5 : 5;
    draw_line(file, class, x, is_estimate ? TOP - 4 : TOP, x, BOTTOM);
    fprintf(file, "<text class=\"number\" text-anchor=\"%s\" x=\"%.1f\" y=\"%d\">", anchor,
            x + aside, is_estimate ? TOP - 9 : TOP + 13);
    print_number(file, value, h->decimals);
    fprintf(file, "</text>\n");
}

static void draw_caption(FILE *file, const struct histogram *h)
{
    fprintf(file, "<text class=\"title\" x=\"%d\" y=\"24\">%s</text>\n", LEFT, h->title);
    fprintf(file, "<text class=\"label\" x=\"%d\" y=\"45\">estimate ", LEFT);
    print_number(file, h->estimate, h->decimals);
    fprintf(file, " %s, 95&#160;%% interval ", h->unit);
    print_number(file, h->low, h->decimals);
    fprintf(file, " to ");
    print_number(file, h->high, h->decimals);
    fprintf(file, "</text>\n");
}

static void draw_panel(FILE *file, const struct histogram *h, size_t place)
{
    struct scale scale = scale_for(h);
    double low = x_of(&scale, h->low), high = x_of(&scale, h->high);
    fprintf(file, "<g transform=\"translate(0 %zu)\">\n", HEAD + place * PANEL);
    draw_caption(file, h);
    fprintf(file, "<rect class=\"band\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", low,
            TOP, high - low, BOTTOM - TOP);
    draw_count_axis(file, &scale);
    draw_bars(file, &scale);
    draw_value_axis(file, h, &scale);
    draw_mark(file, h, &scale, h->low, "end");
    draw_mark(file, h, &scale, h->high, "end");
    draw_mark(file, h, &scale, h->estimate, "estimate");
    fprintf(file, "</g>\n");
}

void histogram_svg_write(FILE *file, const char *title, const char *source,
                         const struct histogram *histograms, size_t count)
{
    size_t height = HEAD + count * PANEL + FOOT;
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
            "viewBox=\"0 0 %d %zu\" role=\"img\">\n<title>%s</title>\n%s",
            WIDTH, height, WIDTH, height, title, style);
    fprintf(file, "<rect width=\"%d\" height=\"%zu\" fill=\"#fff\"/>\n", WIDTH, height);
    fprintf(file, "<text class=\"heading\" x=\"%d\" y=\"40\">%s</text>\n", LEFT, title);
    for (size_t i = 0; i < count; i++)
        draw_panel(file, &histograms[i], i);
    fprintf(file, "<text class=\"tick\" x=\"%d\" y=\"%zu\">%s</text>\n</svg>\n", LEFT, height - 14,
            source);
}
