/** What a terminal of this size shows of an output: text, line ends, wrapped rows, cursor up and erase below. */
export class Screen {
  readonly #columns: number
  readonly #rows: string[] = ['']
  #row = 0
  #column = 0

  constructor(columns: number) {
    this.#columns = columns
  }

  /** All rows, including scrolled ones. */
  get lines(): readonly string[] {
    return this.#rows.map((row) => row.trimEnd())
  }

  write(output: string): void {
    for (const [token, up] of output.matchAll(/\x1b\[(\d+)A|\x1b\[J|\r|\n|[^]/gu)) {
      if (up !== undefined) this.#row = Math.max(0, this.#row - Number(up))
      else if (token === '\x1b[J') this.#erase()
      else if (token === '\r') this.#column = 0
      else if (token === '\n') this.#lineFeed()
      else this.#put(token)
    }
  }

  #erase(): void {
    this.#rows.length = this.#row + 1
    this.#rows[this.#row] = this.#rows[this.#row]!.slice(0, this.#column)
  }

  #lineFeed(): void {
    this.#row += 1
    this.#column = 0
    this.#rows[this.#row] ??= ''
  }

  #put(character: string): void {
    if (this.#column === this.#columns) this.#lineFeed()
    const row = this.#rows[this.#row]!.padEnd(this.#column)
    this.#rows[this.#row] = row.slice(0, this.#column) + character + row.slice(this.#column + 1)
    this.#column += 1
  }
}
