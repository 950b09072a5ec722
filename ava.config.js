// Child processes, not worker threads: each test file gets its own copy of the native module's state,
// so counts of live tensors are exact and a crash is charged to the file that caused it.
export default {
  files: ['build/__test__/**/*.test.js'],
  workerThreads: false,
  timeout: '5m',
}
