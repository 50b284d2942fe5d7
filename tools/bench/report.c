#include "tools/bench/report.h"

static const struct {
    const char *name;
    double fraction;
} quantiles[] = {{"p50", 0.50}, {"p90", 0.90}, {"p99", 0.99}, {"p99.9", 0.999}};

static double per_second(uint64_t count, const struct bench_result *result)
{
    return result->window_ns == 0 ? 0 : (double)count * 1e9 / (double)result->window_ns;
}

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static double us_per_call(uint64_t ns, const struct bench_result *result)
{
    return result->server_calls == 0 ? 0 : us(ns) / (double)result->server_calls;
}

void bench_report_table(FILE *to, const struct bench_options *options, const struct bench_result *result)
{
    const struct bench_phase *phase = &options->phase;
    fprintf(to, "%s: %u connections, pipeline %u, batch %u, values of %u bytes, ", options->driver->name,
            phase->connections, phase->pipeline, phase->batch, options->value_size);
    if (phase->rate > 0) fprintf(to, "open loop at %.0f calls/s", phase->rate);
    else fprintf(to, "closed loop");
    fprintf(to, ", %.2f s\n%-16s %10s %10s %10s", (double)result->window_ns / 1e9, "", "calls/s", "items/s", "mean us");
    for (size_t i = 0; i < VT_ARRAY_LEN(quantiles); i++) fprintf(to, " %9s", quantiles[i].name);
    fprintf(to, " %9s %8s\n", "max", "failed");
    for (int i = 0; i < BENCH_MAX_OPS && options->driver->ops[i].name != NULL; i++) {
        const struct bench_op_result *op = &result->ops[i];
        if (op->calls == 0) continue;
        fprintf(to, "%-16s %10.0f %10.0f %10.1f", options->driver->ops[i].name, per_second(op->calls, result),
                per_second(op->items, result), vt_histogram_mean(&op->latency_ns) / 1e3);
        for (size_t q = 0; q < VT_ARRAY_LEN(quantiles); q++)
            fprintf(to, " %9.1f", us(vt_histogram_quantile(&op->latency_ns, quantiles[q].fraction)));
        fprintf(to, " %9.1f %8llu\n", us(op->latency_ns.max), (unsigned long long)op->failed_items);
    }
    fprintf(to, "CPU per call: generator %.1f us", us_per_call(result->client_cpu_ns, result));
    if (options->server_pid != 0)
        fprintf(to, ", server %.1f us; server resident %llu KiB, anonymous %llu KiB",
                us_per_call(result->server_cpu_ns, result), (unsigned long long)result->server_rss_kib,
                (unsigned long long)result->server_anon_kib);
    fprintf(to, "\n");
}

static void json_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') fprintf(to, "\\%c", *at);
        else if (*at < 0x20 || *at > 0x7e) fprintf(to, "\\u%04x", *at);
        else fputc(*at, to);
    }
    fputc('"', to);
}

static void json_op(FILE *to, const char *name, const struct bench_op_result *op, const struct bench_result *result)
{
    fprintf(to, "\"%s\":{\"calls\":%llu,\"items\":%llu,\"failed_items\":%llu,\"calls_per_s\":%.1f,\"items_per_s\":%.1f,",
            name, (unsigned long long)op->calls, (unsigned long long)op->items, (unsigned long long)op->failed_items,
            per_second(op->calls, result), per_second(op->items, result));
    fprintf(to, "\"latency_us\":{\"min\":%.1f,\"mean\":%.1f,", us(op->latency_ns.min),
            vt_histogram_mean(&op->latency_ns) / 1e3);
    for (size_t i = 0; i < VT_ARRAY_LEN(quantiles); i++)
        fprintf(to, "\"%s\":%.1f,", quantiles[i].name,
                us(vt_histogram_quantile(&op->latency_ns, quantiles[i].fraction)));
    fprintf(to, "\"max\":%.1f}}", us(op->latency_ns.max));
}

VT_RESULT bench_report_json(FILE *to, const struct bench_options *options, const struct bench_result *result)
{
    const struct bench_phase *phase = &options->phase;
    fprintf(to, "{\"format\":1,\"target\":\"%s\",\"label\":", options->driver->name);
    json_text(to, options->label);
    fprintf(to, ",\"connections\":%u,\"threads\":%u,\"pipeline\":%u,\"batch\":%u,\"value_size\":%u,\"keys\":%llu,",
            phase->connections, phase->threads, phase->pipeline, phase->batch, options->value_size,
            (unsigned long long)options->keys);
    fprintf(to, "\"rate\":%.1f,\"seed\":%llu,\"window_s\":%.3f,\"unanswered\":%llu,\"ops\":{", phase->rate,
            (unsigned long long)phase->seed, (double)result->window_ns / 1e9, (unsigned long long)result->unanswered);
    const char *separator = "";
    for (int i = 0; i < BENCH_MAX_OPS && options->driver->ops[i].name != NULL; i++) {
        if (result->ops[i].calls == 0) continue;
        fputs(separator, to);
        json_op(to, options->driver->ops[i].name, &result->ops[i], result);
        separator = ",";
    }
    fprintf(to, "},\"client_cpu_us_per_call\":%.2f", us_per_call(result->client_cpu_ns, result));
    if (options->server_pid != 0)
        fprintf(to, ",\"server_cpu_us_per_call\":%.2f,\"server_rss_kib\":%llu,\"server_anon_kib\":%llu",
                us_per_call(result->server_cpu_ns, result), (unsigned long long)result->server_rss_kib,
                (unsigned long long)result->server_anon_kib);
    fprintf(to, "}\n");
    return fflush(to) == 0 && ferror(to) == 0 ? VAULT_OK : VAULT_E_IO;
}
