//! Products of matrices, convolutions and windows.

use hyperglow_core::NodeId;
use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::Formula;
use hyperglow_core::op::{Op, Window};

use crate::run;

fn window(stride: usize, low: usize, high: usize, dilation: usize, rank: usize) -> Window {
    Window {
        stride: vec![stride; rank].into(),
        pad_low: vec![low; rank].into(),
        pad_high: vec![high; rank].into(),
        dilation: vec![dilation; rank].into(),
    }
}

#[test]
fn contractions() {
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        let a: &[usize] = if ta { &[2, 4, 3] } else { &[2, 3, 4] };
        let c: &[usize] = if tb { &[2, 2, 4] } else { &[2, 4, 2] };
        run("matmul", &[a, c], (-1.0, 1.0), &|b, x| {
            b.matmul(x[0], x[1], ta, tb)
        });
    }
    let conv = |w: Window, groups: usize| {
        move |b: &mut Build<'_>, x: &[NodeId]| {
            b.add_op(
                Op::Conv {
                    window: w.clone(),
                    groups,
                },
                &[x[0], x[1]],
                None,
            )
        }
    };
    run(
        "conv1d",
        &[&[2, 2, 7], &[4, 1, 3]],
        (-1.0, 1.0),
        &conv(window(2, 1, 2, 1, 1), 2),
    );
    run(
        "conv2d",
        &[&[1, 2, 5, 4], &[2, 2, 2, 3]],
        (-1.0, 1.0),
        &conv(window(2, 1, 0, 1, 2), 1),
    );
    run(
        "conv2d dilated",
        &[&[1, 1, 5, 6], &[2, 1, 2, 2]],
        (-1.0, 1.0),
        &conv(window(1, 0, 1, 2, 2), 1),
    );
    run(
        "conv3d",
        &[&[1, 1, 3, 3, 3], &[1, 1, 2, 2, 2]],
        (-1.0, 1.0),
        &conv(window(1, 0, 0, 1, 3), 1),
    );
    run(
        "convTranspose",
        &[&[1, 2, 3, 2], &[2, 3, 3, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::ConvInputGrad {
                window: window(2, 1, 1, 1, 2),
                groups: 1,
                input: [6, 4].into(),
            };
            b.add_op(op, x, None)
        },
    );
    run(
        "convWeightGrad",
        &[&[2, 1, 4, 4], &[2, 2, 3, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::ConvWeightGrad {
                window: window(1, 0, 0, 1, 2),
                groups: 1,
                kernel: [2, 2].into(),
            };
            b.add_op(op, x, None)
        },
    );
}

#[test]
fn local_convolutions() {
    run(
        "localConv",
        &[&[2, 2, 5, 4], &[2, 2, 2, 3, 3, 2]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::LocalConv {
                window: window(2, 1, 0, 1, 2),
            };
            b.add_op(op, x, None)
        },
    );
    run(
        "localConvInputGrad",
        &[&[1, 2, 3], &[2, 1, 2, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::LocalConvInputGrad {
                window: window(1, 0, 0, 2, 1),
                input: [5].into(),
            };
            b.add_op(op, x, None)
        },
    );
    run(
        "localConvWeightGrad",
        &[&[2, 1, 4, 4], &[2, 2, 3, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::LocalConvWeightGrad {
                window: window(1, 0, 0, 1, 2),
                kernel: [2, 2].into(),
            };
            b.add_op(op, x, None)
        },
    );
}

#[test]
fn windows() {
    run("windowSum", &[&[2, 1, 5, 5]], (-1.0, 1.0), &|b, x| {
        let y = b.mul(x[0], x[0]);
        b.add_op(
            Op::WindowSum {
                window: window(2, 1, 0, 1, 2),
                kernel: [2, 3].into(),
            },
            &[y],
            None,
        )
    });
    run("windowSumGrad", &[&[1, 1, 3, 2]], (-1.0, 1.0), &|b, x| {
        let y = b.mul(x[0], x[0]);
        let op = Op::WindowSumGrad {
            window: window(2, 1, 0, 1, 2),
            kernel: [2, 3].into(),
            input: [5, 5].into(),
        };
        b.add_op(op, &[y], None)
    });
}

#[test]
fn maxima_of_windows() {
    let (window, kernel): (_, Box<[usize]>) = (window(2, 1, 0, 1, 2), [2, 3].into());
    let geometry = (window.clone(), kernel.clone());
    run("windowMax", &[&[2, 1, 5, 5]], (-1.0, 1.0), &|b, x| {
        let (window, kernel) = geometry.clone();
        let y = b.add_op(Op::WindowMax { window, kernel }, &[x[0]], None);
        b.mul(y, y)
    });
    run("windowMaxGrad", &[&[2, 1, 5, 5]], (-1.0, 1.0), &|b, x| {
        let (window, kernel) = (window.clone(), kernel.clone());
        let op = Op::WindowMax {
            window: window.clone(),
            kernel: kernel.clone(),
        };
        let y = b.add_op(op, &[x[0]], None);
        let dy = b.mul(y, y);
        let places = Op::WindowArgMax {
            window: window.clone(),
            kernel: kernel.clone(),
        };
        let places = b.add_op(places, &[x[0]], None);
        let op = Op::WindowMaxGrad {
            window,
            kernel,
            input: [5, 5].into(),
        };
        b.add_op(op, &[places, dy], None)
    });
}
