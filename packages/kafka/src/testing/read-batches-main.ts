import { readBatches } from './record-batch.ts'

/** Reads batches, one per line in base64. Prints the result of each, and the peak growth of the process memory. */
const lines: Buffer[] = []
for await (const chunk of process.stdin) lines.push(chunk as Buffer)
const batches = Buffer.concat(lines)
  .toString()
  .split('\n')
  .map((line) => Buffer.from(line, 'base64'))
const before = process.resourceUsage().maxRSS
const errors: string[] = []
for (const batch of batches) {
  errors.push(
    await readBatches([batch]).then(
      ({ records }) => `${records.length} records`,
      (error: unknown) => String(error),
    ),
  )
}
process.stdout.write(JSON.stringify({ errors, grownKb: process.resourceUsage().maxRSS - before }))
