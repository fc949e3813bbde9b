// How every command of `package.json` takes its arguments.

/**
 * What `read` makes of the arguments. For `--help` the usage is printed and the process ends; for what `read` refuses by
 * throwing, its message as well, with exit code 2.
 *
 * @template T
 * @param {string} usage  lines such as `npm run services [-- --nodes 3]`
 * @param {(args: string[]) => T} read
 * @param {readonly string[]} [args]
 * @returns {T}
 */
export function commandLine(usage, read, args = process.argv.slice(2)) {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`Usage: ${usage}\n`)
    process.exit(0)
  }
  try {
    return read([...args])
  } catch (error) {
    // The rest of Node's own message speaks of positional arguments.
    const [said] = (error instanceof Error ? error.message : String(error)).split('. To specify')
    process.stderr.write(`${said}\nUsage: ${usage}\n`)
    process.exit(2)
  }
}
