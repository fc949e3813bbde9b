// Prints `N passed, N failed` from the test runner's own result file.

import { existsSync, readFileSync } from 'node:fs'

const [file = '', status = '1'] = process.argv.slice(2)
const result = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { numPassedTests: 0, numFailedTests: 0 }
const { numPassedTests: passed, numFailedTests: failed } = result
// A step before the tests, or a file that could not even be loaded, fails without a test to count.
const unnamed = status !== '0' && failed === 0 ? 1 : 0
console.log(`${passed} passed, ${failed + unnamed} failed`)
