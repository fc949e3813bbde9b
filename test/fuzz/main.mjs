// `npm run test:fuzz`: see main.ts.
import { bundle } from '../faults/bundle.mjs'

const { main } = await import(await bundle('../fuzz/main'))
process.exitCode = await main(process.argv.slice(2))
