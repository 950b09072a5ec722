//! Random clusters: views of every kind, widths, tails, grids of every size, results that overwrite operands; huge extents.

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::InstrKind;

use super::support::{check, exactly, interpreted, text};
use crate::cuda::ptx::interpreter::{Grid, Memory, Module, launch};
use crate::cuda::ptx::module;
use crate::steps::case::{Case, Dice};

#[test]
fn random_clusters_are_as_on_the_cpu() {
    let mut dice = Dice(99);
    for round in 0..250 {
        let shape: Vec<usize> = match dice.below(4) {
            0 => vec![1 + round % 70],
            1 => vec![1 + dice.below(9), 1 + dice.below(40)],
            2 => vec![1 + dice.below(5), 1 + dice.below(6), 4 * (1 + dice.below(5))],
            _ => vec![1 + dice.below(600)],
        };
        let case = Case::random(&mut dice, &shape);
        let width = [1, 2, 4][dice.below(3)];
        // One element of a sine beyond its range may differ in the last place, and all that follows with it.
        let circle = case
            .cluster
            .code
            .iter()
            .any(|instr| matches!(instr.kind, InstrKind::Unary(UnaryOp::Sin | UnaryOp::Cos, _)));
        if circle {
            continue;
        }
        check("a random cluster", &case, width, 1 + dice.below(3), &exactly);
    }
}

#[test]
fn vectors_are_read_where_they_are_aligned() {
    let mut case = Case::new(&[6, 8]);
    let mut dice = Dice(7);
    case.load(&mut dice, DType::F32, vec![8, 1], 0, 48);
    // Rows of 12 elements, of which 8 are read from the fourth on.
    case.load(&mut dice, DType::F32, vec![12, 1], 4, 76);
    // From the first on they are not aligned.
    case.load(&mut dice, DType::F32, vec![12, 1], 1, 76);
    let sum = case.push(InstrKind::Binary(BinaryOp::Add, 0, 1), DType::F32);
    let sum = case.push(InstrKind::Binary(BinaryOp::Add, sum, 2), DType::F32);
    case.store(sum, None);
    let text = text(&case, 4).text;
    assert_eq!(text.matches("ld.global.nc.v4.f32").count(), 2, "{text}");
    assert_eq!(text.matches("ld.global.nc.f32").count(), 4, "{text}");
    assert_eq!(text.matches("st.global.v4.f32").count(), 1, "{text}");
    check("aligned rows", &case, 4, 1, &exactly);
}

#[test]
fn what_is_overwritten_is_not_read_through_the_read_only_cache() {
    let mut case = Case::new(&[100]);
    case.load(&mut Dice(7), DType::F32, vec![1], 0, 100);
    let square = case.push(InstrKind::Binary(BinaryOp::Mul, 0, 0), DType::F32);
    case.store(square, Some(0));
    assert!(!text(&case, 4).text.contains(".nc"));
    check("in place", &case, 4, 1, &exactly);
}

/// The element is the same for all elements of the cluster, of which there is one.
#[test]
fn a_thread_reads_what_it_overwrites_and_no_other_thread_does() {
    let mut case = Case::new(&[1]);
    case.load(&mut Dice(7), DType::F32, vec![0], 0, 1);
    let square = case.push(InstrKind::Binary(BinaryOp::Mul, 0, 0), DType::F32);
    case.store(square, Some(0));
    check("one element in place", &case, 1, 1, &exactly);
}

#[test]
fn an_empty_cluster_launches_nothing() {
    let mut case = Case::new(&[0]);
    case.load(&mut Dice(7), DType::F32, vec![1], 0, 0);
    case.store(0, None);
    let kernel = text(&case, 1);
    assert_eq!(kernel.blocks, 0);
    assert_eq!(interpreted(&case, &kernel, 1), Ok(vec![vec![]]));
}

/// A tensor transposed, of more elements than 32 bits count: the last blocks of the grid.
#[test]
fn huge_extents_have_positions_of_64_bits() {
    let (rows, columns) = (1_usize << 17, (1_usize << 15) + 3);
    let mut case = Case::new(&[columns, rows]);
    case.program.slots.push(hyperglow_core::plan::Slot {
        spec: hyperglow_core::op::Spec::new([rows, columns], DType::F32),
        location: hyperglow_core::plan::Location::Input(0),
    });
    let shape = case.cluster.shape.clone();
    case.cluster.loads.push(hyperglow_core::plan::View {
        slot: 0,
        shape,
        strides: vec![1, columns as isize],
        offset: 0,
    });
    case.push(InstrKind::Load(0), DType::F32);
    case.store(0, None);
    let kernel = text(&case, 1);
    let module = Module::parse(&module(std::slice::from_ref(&kernel))).unwrap();
    let mut memory = Memory::new();
    let bytes = rows * columns * 4;
    let (from, to) = (memory.pretended(bytes), memory.pretended(bytes));
    // The last element, and one in the last column.
    let at = |row: usize, column: usize| ((row * columns + column) * 4) as u64;
    memory
        .write(from + at(rows - 1, columns - 1), &5_f32.to_ne_bytes())
        .unwrap();
    memory
        .write(from + at(rows - 9, columns - 1), &7_f32.to_ne_bytes())
        .unwrap();
    let blocks = u32::try_from(kernel.blocks).unwrap();
    let grid = Grid {
        blocks,
        threads: kernel.threads,
        run: blocks - 2..blocks,
    };
    launch(&module, &kernel.name, &mut memory, &[from, to], &grid).unwrap();
    let last = to + bytes as u64 - 4;
    assert_eq!(memory.read(last, 4).unwrap(), 5_f32.to_ne_bytes());
    assert_eq!(memory.read(last - 32, 4).unwrap(), 7_f32.to_ne_bytes());
}
