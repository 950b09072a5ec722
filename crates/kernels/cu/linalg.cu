// Decompositions and solvers: a block per matrix, or per matrix and columns. A matrix that is refused leaves a status, and
// pick_refusal reports the first.
#include "compat.h"

struct Status {
    // -1: fine.
    i64 integer;
    f64 number;
    i64 detail;
};

// Refuses the first matrix whose status is not fine. One thread.
KERNEL void pick_refusal(const Status *status, i64 count, Refusal *refusal, i64 step) {
    ROLLED for (i64 i = 0; i < count; i++) {
        if (status[i].integer != -1) {
            refuse(refusal, step, i, status[i].integer, status[i].number, status[i].detail);
            return;
        }
    }
}
EMU_EXPORT(pick_refusal)

template <class T> static void report(Status *status, i64 integer, T number, i64 detail) {
    status->integer = integer;
    status->number = static_cast<f64>(number);
    status->detail = detail;
}

static inline f32 root(f32 x) { return sqrtf(x); }
static inline f64 root(f64 x) { return sqrt(x); }

// L with L L' = a, column by column.
template <class T> static void cholesky(const T *a, T *l, i64 n, Status *status) {
    a += blockIdx.x * n * n;
    l += blockIdx.x * n * n;
    ROLLED for (i64 i = threadIdx.x; i < n * n; i += blockDim.x) {
        l[i] = i % n <= i / n ? a[i] : static_cast<T>(0);
    }
    i64 pivot = -1;
    T value = 0;
    ROLLED for (i64 k = 0; k < n; k++) {
        SYNC_THREADS();
        value = l[k * n + k];
        if (!(value > 0)) {
            pivot = k;
            break;
        }
        SYNC_THREADS();
        T diagonal = root(value);
        ROLLED for (i64 i = k + threadIdx.x; i < n; i += blockDim.x) {
            l[i * n + k] = i == k ? diagonal : l[i * n + k] / diagonal;
        }
        SYNC_THREADS();
        i64 rest = n - k - 1;
        ROLLED for (i64 i = threadIdx.x; i < rest * rest; i += blockDim.x) {
            i64 r = k + 1 + i / rest, c = k + 1 + i % rest;
            if (c <= r) {
                l[r * n + c] -= l[r * n + k] * l[c * n + k];
            }
        }
    }
    if (threadIdx.x == 0) {
        report(status + blockIdx.x, pivot, value, 0);
    }
}

// x with op(a) x = b, a thread per column. Without b: b is the identity.
template <class T>
static void triangular_solve(const T *a, const T *b, T *x, i64 n, i64 columns, i64 lower, i64 transpose, Status *status) {
    i64 chunks = (columns + blockDim.x - 1) / blockDim.x;
    chunks = chunks > 0 ? chunks : 1;
    i64 matrix = blockIdx.x / chunks, column = blockIdx.x % chunks * blockDim.x + threadIdx.x;
    a += matrix * n * n;
    x += matrix * n * columns;
    b = b ? b + matrix * n * columns : b;
    bool forward = (lower != 0) != (transpose != 0);
    i64 row_step = transpose ? 1 : n, column_step = transpose ? n : 1, singular = -1;
    ROLLED for (i64 step = 0; step < n; step++) {
        i64 row = forward ? step : n - 1 - step, from = forward ? 0 : row + 1;
        T diagonal = a[row * row_step + row * column_step];
        if (diagonal == 0) {
            singular = row;
            break;
        }
        if (column < columns) {
            T rest = b ? b[row * columns + column] : static_cast<T>(row == column);
            ROLLED for (i64 k = from; k < from + step; k++) {
                rest -= a[row * row_step + k * column_step] * x[k * columns + column];
            }
            x[row * columns + column] = rest / diagonal;
        }
    }
    if (blockIdx.x % chunks == 0 && threadIdx.x == 0) {
        report(status + matrix, singular, static_cast<T>(0), 0);
    }
}

// x with a x = b by elimination with partial pivoting; `u` is room for a copy of a.
template <class T> static void solve(const T *a, const T *b, T *u, T *x, i64 n, i64 columns, Status *status) {
    DYN_SHARED(i64, room);
    a += blockIdx.x * n * n;
    u += blockIdx.x * n * n;
    b += blockIdx.x * n * columns;
    x += blockIdx.x * n * columns;
    ROLLED for (i64 i = threadIdx.x; i < n * n; i += blockDim.x) {
        u[i] = a[i];
    }
    ROLLED for (i64 i = threadIdx.x; i < n * columns; i += blockDim.x) {
        x[i] = b[i];
    }
    i64 singular = -1, width = n + columns;
    ROLLED for (i64 k = 0; k < n; k++) {
        SYNC_THREADS();
        if (threadIdx.x == 0) {
            i64 best = k;
            ROLLED for (i64 r = k + 1; r < n; r++) {
                T ours = u[r * n + k], theirs = u[best * n + k];
                best = (ours < 0 ? -ours : ours) > (theirs < 0 ? -theirs : theirs) ? r : best;
            }
            room[0] = best;
        }
        SYNC_THREADS();
        i64 pivot = room[0];
        if (u[pivot * n + k] == 0) {
            singular = k;
            break;
        }
        SYNC_THREADS();
        // The rows of u and of x, as one row of `width` elements.
        ROLLED for (i64 c = threadIdx.x; c < width && pivot != k; c += blockDim.x) {
            T *upper = c < n ? u + k * n + c : x + k * columns + c - n;
            T *under = c < n ? u + pivot * n + c : x + pivot * columns + c - n;
            T kept = *upper;
            *upper = *under;
            *under = kept;
        }
        SYNC_THREADS();
        i64 rows = n - k - 1;
        ROLLED for (i64 r = threadIdx.x; r < rows; r += blockDim.x) {
            u[(k + 1 + r) * n + k] /= u[k * n + k];
        }
        SYNC_THREADS();
        i64 each = width - k - 1;
        ROLLED for (i64 i = threadIdx.x; i < rows * each; i += blockDim.x) {
            i64 r = k + 1 + i / each, c = k + 1 + i % each;
            if (c < n) {
                u[r * n + c] -= u[r * n + k] * u[k * n + c];
            } else {
                x[r * columns + c - n] -= u[r * n + k] * x[k * columns + c - n];
            }
        }
    }
    SYNC_THREADS();
    if (singular < 0) {
        ROLLED for (i64 c = threadIdx.x; c < columns; c += blockDim.x) {
            ROLLED for (i64 r = n - 1; r >= 0; r--) {
                T rest = x[r * columns + c];
                ROLLED for (i64 k = r + 1; k < n; k++) {
                    rest -= u[r * n + k] * x[k * columns + c];
                }
                x[r * columns + c] = rest / u[r * n + r];
            }
        }
    }
    if (threadIdx.x == 0) {
        report(status + blockIdx.x, singular, static_cast<T>(0), 0);
    }
}

static inline bool is_finite(f64 x) { return x - x == 0; }

// Eigenvalues ascending in row 0, eigenvectors below as columns, by Jacobi's method in float64, as in core/reference: rotations
// that make one element after the other 0. `a` and `v` are room for n n doubles per matrix.
template <class T>
static void eigh(const T *matrix, T *out, f64 *a, f64 *v, i32 *order, i64 n, i64 max_sweeps, Status *status) {
    DYN_SHARED(f64, room);
    matrix += blockIdx.x * n * n;
    out += blockIdx.x * (n + 1) * n;
    a += blockIdx.x * n * n;
    v += blockIdx.x * n * n;
    order += blockIdx.x * n;
    auto add = [](f64 x, f64 y) { return x + y; };
    auto least = [](f64 x, f64 y) { return x < y ? x : y; };
    f64 norm = 0, bad = static_cast<f64>(n * n);
    ROLLED for (i64 i = threadIdx.x; i < n * n; i += blockDim.x) {
        i64 r = i / n, c = i % n;
        a[i] = static_cast<f64>(matrix[r > c ? r * n + c : c * n + r]);
        v[i] = r == c;
        norm += a[i] * a[i];
        bad = is_finite(a[i]) ? bad : least(bad, static_cast<f64>(i));
    }
    norm = sqrt(block_combine(room, norm, add));
    i64 first = static_cast<i64>(block_combine(room, bad, least));
    if (first < n * n) {
        if (threadIdx.x == 0) {
            i64 r = first / n, c = first % n;
            report(status + blockIdx.x, r > c ? r : c, a[first], r > c ? c : r);
        }
        return;
    }
    i64 sweeps = 0;
    for (;; sweeps++) {
        f64 off = 0;
        SYNC_THREADS();
        ROLLED for (i64 i = threadIdx.x; i < n * n; i += blockDim.x) {
            off += i / n == i % n ? 0 : a[i] * a[i];
        }
        off = sqrt(block_combine(room, off, add));
        if (off <= 2.220446049250313e-16 * norm || sweeps == max_sweeps) {
            if (threadIdx.x == 0) {
                report(status + blockIdx.x, off <= 2.220446049250313e-16 * norm ? -1 : -2, 0.0, 0);
            }
            break;
        }
        ROLLED for (i64 q = 1; q < n; q++) {
            ROLLED for (i64 p = 0; p < q; p++) {
                SYNC_THREADS();
                f64 apq = a[p * n + q], app = a[p * n + p], aqq = a[q * n + q];
                SYNC_THREADS();
                if (apq == 0) {
                    continue;
                }
                f64 tau = (aqq - app) / (2 * apq);
                f64 size = tau < 0 ? -tau : tau;
                // Beyond this, sqrt(1 + tau^2) is tau, whose square might overflow.
                f64 tan = 1 / (size + (size > 1e8 ? size : sqrt(1 + size * size)));
                tan = tau < 0 ? -tan : tan;
                f64 cos = 1 / sqrt(1 + tan * tan), sin = tan * cos;
                ROLLED for (i64 k = threadIdx.x; k < n; k += blockDim.x) {
                    f64 x = a[k * n + p], y = a[k * n + q];
                    a[k * n + p] = cos * x - sin * y;
                    a[k * n + q] = sin * x + cos * y;
                    x = v[k * n + p];
                    y = v[k * n + q];
                    v[k * n + p] = cos * x - sin * y;
                    v[k * n + q] = sin * x + cos * y;
                }
                SYNC_THREADS();
                ROLLED for (i64 k = threadIdx.x; k < n; k += blockDim.x) {
                    f64 x = a[p * n + k], y = a[q * n + k];
                    a[p * n + k] = k == q ? 0 : cos * x - sin * y;
                    a[q * n + k] = k == p ? 0 : sin * x + cos * y;
                }
            }
        }
    }
    SYNC_THREADS();
    // The place of each eigenvalue: the number of those before it; of equal ones the first comes first.
    ROLLED for (i64 i = threadIdx.x; i < n; i += blockDim.x) {
        i64 place = 0;
        ROLLED for (i64 j = 0; j < n; j++) {
            f64 ours = a[i * n + i], theirs = a[j * n + j];
            place += theirs < ours || (theirs == ours && j < i);
        }
        order[place] = static_cast<i32>(i);
    }
    SYNC_THREADS();
    ROLLED for (i64 c = threadIdx.x; c < n; c += blockDim.x) {
        i64 from = order[c];
        f64 largest = 0, sign = 1;
        ROLLED for (i64 r = 0; r < n; r++) {
            f64 x = v[r * n + from];
            largest = x > largest ? x : -x > largest ? -x : largest;
        }
        ROLLED for (i64 r = n - 1; r >= 0; r--) {
            f64 x = v[r * n + from];
            // Components this close to the largest are tied: rounding decides between them.
            sign = x >= largest * (1 - 1e-6) ? 1 : -x >= largest * (1 - 1e-6) ? -1 : sign;
        }
        out[c] = static_cast<T>(a[from * n + from]);
        ROLLED for (i64 r = 0; r < n; r++) {
            out[(r + 1) * n + c] = static_cast<T>(v[r * n + from] * sign);
        }
    }
}

#define LINALG(T)                                                                                                       \
    KERNEL void cholesky_##T(const T *a, T *l, i64 n, Status *status) { cholesky<T>(a, l, n, status); }                 \
    EMU_EXPORT(cholesky_##T)                                                                                            \
    KERNEL void triangular_solve_##T(const T *a, const T *b, T *x, i64 n, i64 columns, i64 lower, i64 transpose,        \
                                     Status *status) {                                                                  \
        triangular_solve<T>(a, b, x, n, columns, lower, transpose, status);                                             \
    }                                                                                                                   \
    EMU_EXPORT(triangular_solve_##T)                                                                                    \
    KERNEL void invert_lower_##T(const T *a, T *x, i64 n, Status *status) {                                             \
        triangular_solve<T>(a, nullptr, x, n, n, 1, 0, status);                                                         \
    }                                                                                                                   \
    EMU_EXPORT(invert_lower_##T)                                                                                        \
    KERNEL void solve_##T(const T *a, const T *b, T *u, T *x, i64 n, i64 columns, Status *status) {                     \
        solve<T>(a, b, u, x, n, columns, status);                                                                       \
    }                                                                                                                   \
    EMU_EXPORT(solve_##T)                                                                                               \
    KERNEL void eigh_##T(const T *matrix, T *out, f64 *a, f64 *v, i32 *order, i64 n, i64 max_sweeps, Status *status) {  \
        eigh<T>(matrix, out, a, v, order, n, max_sweeps, status);                                                       \
    }                                                                                                                   \
    EMU_EXPORT(eigh_##T)
LINALG(f32)
LINALG(f64)
