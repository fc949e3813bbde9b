// Prints `N passed, N failed`: the test runner's own counts, those of the checker, and the demo as one, together.

import { existsSync, readFileSync } from 'node:fs'

const [testsFile = '', testsStatus = '1', checkerFile = '', checkerStatus = '1', demoStatus = '1'] =
  process.argv.slice(2)
const counts = [named(testCounts(), testsStatus), named(checkerCounts(), checkerStatus), demoCounts()]
const sum = name => counts.reduce((total, count) => total + count[name], 0)
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)

function testCounts() {
  if (!existsSync(testsFile)) return { passed: 0, failed: 0 }
  const { numPassedTests: passed, numFailedTests: failed } = JSON.parse(readFileSync(testsFile, 'utf8'))
  return { passed, failed }
}

function checkerCounts() {
  const last = existsSync(checkerFile) ? readFileSync(checkerFile, 'utf8').trim().split('\n').at(-1) : ''
  const [, passed = 0, failed = 0] = /^(\d+) passed, (\d+) failed$/.exec(last) ?? []
  return { passed: Number(passed), failed: Number(failed) }
}

function demoCounts() {
  return demoStatus === '0' ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** A step before the tests, or a file that could not even be loaded, fails without a test to count. */
function named({ passed, failed }, status) {
  return { passed, failed: failed + (status !== '0' && failed === 0 ? 1 : 0) }
}
