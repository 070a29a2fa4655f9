// DKT on oneDNN's LSTM primitive, as a competitor of `cohort bench peers`.
//
// Table lookup, LSTM and the asked skill's head only; batches of like lengths,
// padded to their longest; what lies past a sequence's end gets no gradient.
// Arguments: folder, threads. Protocol as in dkt.py.

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"

using namespace dnnl;
using Floats = std::vector<float>;
using tag = memory::format_tag;

struct Sequence {
    int n;
    std::vector<int32_t> in, ask, right;
};

template <class T>
std::vector<T> slurp(const std::string &path) {
    std::ifstream f(path, std::ios::binary | std::ios::ate);
    if (!f) { std::cerr << path << ": cannot read\n"; exit(1); }
    std::vector<T> v(size_t(f.tellg()) / sizeof(T));
    f.seekg(0);
    f.read(reinterpret_cast<char *>(v.data()), std::streamsize(v.size() * sizeof(T)));
    return v;
}

std::vector<Sequence> sequences(const std::string &path) {
    auto flat = slurp<int32_t>(path);
    std::vector<Sequence> out;
    for (size_t at = 0; at < flat.size();) {
        int n = flat[at++];
        Sequence s{n, {}, {}, {}};
        for (auto *v : {&s.in, &s.ask, &s.right}) {
            v->assign(flat.begin() + long(at), flat.begin() + long(at) + n);
            at += size_t(n);
        }
        out.push_back(std::move(s));
    }
    return out;
}

struct Meta {
    int skills, embed, hidden, batch;
    float lr;
};

engine eng(engine::kind::cpu, 0);
stream str(eng);

memory::desc plain(memory::dims d, tag t) { return {d, memory::data_type::f32, t}; }
memory::desc any(memory::dims d) { return plain(d, tag::any); }

// fitted is m, or a copy of it in the layout wanted.
memory fitted(memory m, const memory::desc &want) {
    if (m.get_desc() == want) return m;
    memory out(want, eng);
    reorder(m, out).execute(str, m, out);
    return out;
}

struct Model {
    Meta s;
    Floats w, g, m, v;
    size_t e, wx, u, b, wout, bout;
    int steps = 0;
    double area = 0;

    Model(Meta meta, const Floats &init) : s(meta), w(init), g(init.size()), m(init.size()), v(init.size()) {
        size_t q = size_t(s.skills), h = size_t(s.hidden), ed = size_t(s.embed);
        e = 0; wx = 2 * q * ed; u = wx + ed * 4 * h; b = u + h * 4 * h; wout = b + 4 * h; bout = wout + q * h;
    }

    // batch runs forward and, in training, backward; it returns the summed loss.
    double batch(const Sequence *first, int n, bool train, std::vector<std::pair<float, int>> *logits, int &answers) {
        int T = 0, H = s.hidden, E = s.embed;
        for (int k = 0; k < n; k++) T = std::max(T, first[k].n);
        Floats x(size_t(T) * n * E), dst(size_t(T) * n * H), ddst(size_t(T) * n * H);
#pragma omp parallel for
        for (int k = 0; k < n; k++)
            for (int t = 0; t < first[k].n; t++)
                memcpy(&x[(size_t(t) * n + k) * E], &w[e + size_t(first[k].in[t]) * E], sizeof(float) * E);
        auto src = plain({T, n, E}, tag::tnc), out = plain({T, n, H}, tag::tnc);
        auto wl = plain({1, 1, E, 4, H}, tag::ldigo), wi = plain({1, 1, H, 4, H}, tag::ldigo), bias = plain({1, 1, 4, H}, tag::ldgo);
        memory::desc none;
        auto kind = train ? prop_kind::forward_training : prop_kind::forward_inference;
        auto dir = rnn_direction::unidirectional_left2right;
        lstm_forward::primitive_desc pd({kind, dir, src, none, none, any({1, 1, E, 4, H}), any({1, 1, H, 4, H}), bias, out, none, none}, eng);
        memory mx(src, eng, x.data()), mout(out, eng, dst.data());
        memory ml(wl, eng, &w[wx]), mi(wi, eng, &w[u]), mb(bias, eng, &w[b]);
        std::unordered_map<int, memory> args{
            {DNNL_ARG_SRC_LAYER, mx}, {DNNL_ARG_WEIGHTS_LAYER, fitted(ml, pd.weights_layer_desc())},
            {DNNL_ARG_WEIGHTS_ITER, fitted(mi, pd.weights_iter_desc())}, {DNNL_ARG_BIAS, mb}, {DNNL_ARG_DST_LAYER, mout}};
        if (train) args[DNNL_ARG_WORKSPACE] = memory(pd.workspace_desc(), eng);
        lstm_forward(pd).execute(str, args);
        str.wait();

        answers = 0;
        for (int k = 0; k < n; k++) answers += first[k].n;
        double loss = 0;
        if (train) std::fill(g.begin(), g.end(), 0.f);
        for (int k = 0; k < n; k++)
            for (int t = 0; t < first[k].n; t++) {
                const float *h = &dst[(size_t(t) * n + k) * H], *row = &w[wout + size_t(first[k].ask[t]) * H];
                float z = w[bout + size_t(first[k].ask[t])], y = float(first[k].right[t]);
                float dot = 0;
#pragma omp simd reduction(+ : dot)
                for (int i = 0; i < H; i++) dot += h[i] * row[i];
                z += dot;
                loss += std::max(z, 0.f) - z * y + std::log1p(std::exp(-std::fabs(z)));
                if (logits) logits->push_back({z, first[k].right[t]});
                if (!train) continue;
                float dz = (1 / (1 + std::exp(-z)) - y) / float(answers);
                float *dh = &ddst[(size_t(t) * n + k) * H], *drow = &g[wout + size_t(first[k].ask[t]) * H];
                for (int i = 0; i < H; i++) { dh[i] = dz * row[i]; drow[i] += dz * h[i]; }
                g[bout + size_t(first[k].ask[t])] += dz;
            }
        if (!train) return loss;

        lstm_backward::primitive_desc bd({prop_kind::backward, dir, src, none, none, any({1, 1, E, 4, H}), any({1, 1, H, 4, H}), bias, out, none, none,
                                          src, none, none, any({1, 1, E, 4, H}), any({1, 1, H, 4, H}), bias, out, none, none}, eng, pd);
        Floats dx(x.size());
        memory mdx(src, eng, dx.data()), mdb(bias, eng, &g[b]), mdout(out, eng, ddst.data());
        memory dl(bd.diff_weights_layer_desc(), eng), di(bd.diff_weights_iter_desc(), eng);
        memset(dl.get_data_handle(), 0, dl.get_desc().get_size()); // they are added to
        memset(di.get_data_handle(), 0, di.get_desc().get_size());
        lstm_backward(bd).execute(str, {
            {DNNL_ARG_SRC_LAYER, mx}, {DNNL_ARG_WEIGHTS_LAYER, fitted(ml, bd.weights_layer_desc())},
            {DNNL_ARG_WEIGHTS_ITER, fitted(mi, bd.weights_iter_desc())}, {DNNL_ARG_BIAS, mb}, {DNNL_ARG_DST_LAYER, mout},
            {DNNL_ARG_WORKSPACE, args[DNNL_ARG_WORKSPACE]}, {DNNL_ARG_DIFF_SRC_LAYER, mdx}, {DNNL_ARG_DIFF_WEIGHTS_LAYER, dl},
            {DNNL_ARG_DIFF_WEIGHTS_ITER, di}, {DNNL_ARG_DIFF_BIAS, mdb}, {DNNL_ARG_DIFF_DST_LAYER, mdout}});
        memory gl(wl, eng, &g[wx]), gi(wi, eng, &g[u]);
        reorder(dl, gl).execute(str, dl, gl);
        reorder(di, gi).execute(str, di, gi);
        str.wait();
        for (int k = 0; k < n; k++)
            for (int t = 0; t < first[k].n; t++) {
                float *to = &g[e + size_t(first[k].in[t]) * E];
                const float *from = &dx[(size_t(t) * n + k) * E];
                for (int i = 0; i < E; i++) to[i] += from[i];
            }
        return loss;
    }

    void adam() {
        steps++;
        float c1 = 1 - std::pow(0.9f, float(steps)), c2 = 1 - std::pow(0.999f, float(steps));
        float rate = s.lr / c1, root = 1 / std::sqrt(c2);
#pragma omp parallel for simd
        for (size_t k = 0; k < w.size(); k++) {
            m[k] = 0.9f * m[k] + 0.1f * g[k];
            v[k] = 0.999f * v[k] + 0.001f * g[k] * g[k];
            w[k] -= rate * m[k] / (std::sqrt(v[k]) * root + 1e-8f);
        }
    }

    double dense(const std::vector<Sequence> &seqs) {
        int n = 0;
        double loss = batch(seqs.data(), int(seqs.size()), true, nullptr, n);
        return loss / n;
    }

    double epoch(const std::string &folder) {
        auto train = sequences(folder + "/sorted.i32"), valid = sequences(folder + "/valid.i32");
        double loss = 0;
        long total = 0;
        int n = 0;
        for (size_t at = 0; at < train.size(); at += size_t(s.batch)) {
            loss += batch(&train[at], int(std::min(size_t(s.batch), train.size() - at)), true, nullptr, n);
            total += n;
            adam();
        }
        std::sort(valid.begin(), valid.end(), [](const Sequence &a, const Sequence &b) { return a.n < b.n; });
        std::vector<std::pair<float, int>> z;
        for (size_t at = 0; at < valid.size(); at += size_t(s.batch))
            batch(&valid[at], int(std::min(size_t(s.batch), valid.size() - at)), false, &z, n);
        area = auc(z);
        return loss / double(total);
    }

    static double auc(std::vector<std::pair<float, int>> &z) {
        std::sort(z.begin(), z.end());
        double sum = 0, right = 0;
        for (size_t a = 0; a < z.size();) {
            size_t end = a;
            double here = 0;
            for (; end < z.size() && z[end].first == z[a].first; end++) here += z[end].second;
            sum += here * (double(a) + double(end) + 1) / 2;
            right += here;
            a = end;
        }
        return (sum - right * (right + 1) / 2) / (right * (double(z.size()) - right));
    }
};

int main(int argc, char **argv) {
    if (argc != 3) { std::cerr << "usage: onednn FOLDER THREADS\n"; return 2; }
    std::string folder = argv[1];
    omp_set_num_threads(std::stoi(argv[2]));
    auto m = slurp<float>(folder + "/meta.f32"); // skills embed hidden batch lr
    Meta meta{int(m[0]), int(m[1]), int(m[2]), int(m[3]), m[4]};
    auto init = slurp<float>(folder + "/weights.f32");
    auto dense = sequences(folder + "/dense.i32");
    auto v = dnnl_version();
    printf("oneDNN %d.%d.%d, %s threads\n", v->major, v->minor, v->patch, argv[2]);
    fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
        Model model(meta, init);
        auto start = std::chrono::steady_clock::now();
        double loss = line == "dense" ? model.dense(dense) : model.epoch(folder);
        double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        printf("{\"seconds\": %.6f, \"loss\": %.9f, \"auc\": %.9f}\n", seconds, loss, model.area);
        fflush(stdout);
    }
}
