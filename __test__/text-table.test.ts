/** Tables and texts of a terminal. */
import test from 'ava'
import { textTable, wrapped } from '../ts/core/text-table.js'

const rows = [
  ['epoch', 'layer', 'I(H; X)', 'I(H; Y)'],
  ['0', 'conv', '3.25', '1'],
  ['10', 'fc', '2', '0.5'],
]

test('columns are aligned to the side that is asked for', (t) => {
  t.deepEqual(textTable(rows, { left: [1] }).split('\n'), [
    'epoch  layer  I(H; X)  I(H; Y)',
    '    0  conv      3.25        1',
    '   10  fc           2      0.5',
  ])
  t.is(textTable([['a', 'b']]), 'a  b')
  t.is(textTable([]), '')
})

test('a table that is wider than a line is in blocks behind the columns that tell the row', (t) => {
  const blocks = textTable(rows, { left: [1], keys: 2, width: 22 }).split('\n\n')
  t.deepEqual(blocks[0]?.split('\n'), [
    'epoch  layer  I(H; X)',
    '    0  conv      3.25',
    '   10  fc           2',
  ])
  t.deepEqual(blocks[1]?.split('\n'), [
    'epoch  layer  I(H; Y)',
    '    0  conv         1',
    '   10  fc         0.5',
  ])
  t.is(blocks.length, 2)
  t.is(textTable(rows, { keys: 2, width: 30 }).split('\n\n').length, 1)
  t.is(textTable(rows, { keys: 2, width: 29 }).split('\n\n').length, 2)
  // No column is cut.
  t.deepEqual(textTable([['abcdef', 'ghijkl']], { width: 3 }), 'abcdef  ghijkl')
})

test('lines are broken between words and keep their indentation', (t) => {
  t.is(wrapped('one two three', 8), 'one two\nthree')
  t.is(wrapped('- one two three', 9, 2), '- one two\n  three')
  t.is(wrapped('  one two three', 9), '  one two\n  three')
  t.is(wrapped('a\n\nbb cc', 3), 'a\n\nbb\ncc')
  t.is(wrapped('see /a/very/long/path here', 8), 'see\n/a/very/long/path\nhere')
  t.is(wrapped('one two', Number.POSITIVE_INFINITY), 'one two')
  const text = 'The quick brown fox jumps over the lazy dog and does not come back. '.repeat(5).trim()
  const lines = wrapped(text, 30, 4).split('\n')
  t.true(lines.every((line) => line.length <= 30))
  t.is(lines.map((line) => line.trim()).join(' '), text)
})
