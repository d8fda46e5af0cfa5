/** The widest line of a comment, in columns: wider than code, because prose has no indentation to follow. */
const WIDTH = 120
/** A line that begins something of its own, which a line before it must not run into: a list item, a tag, a table. */
const BEGINS_OWN = /^(?:$|\s|[-*|@>#]|\d+\.\s|```|[\w.]+: {2,})/

/** Joins the lines of each paragraph from the first line that is too wide, and breaks it again at `width`. */
export const wrap = (lines, width) => {
  const wrapped = []
  let carried = []
  const flush = () => {
    let line = ''
    for (const word of carried) {
      if (line !== '' && line.length + 1 + word.length > width) {
        wrapped.push(line)
        line = ''
      }
      line = line === '' ? word : `${line} ${word}`
    }
    if (line !== '') wrapped.push(line)
    carried = []
  }
  for (const line of lines) {
    if (carried.length > 0 && BEGINS_OWN.test(line)) flush()
    if (carried.length > 0 || line.length > width) carried.push(...line.split(' '))
    else wrapped.push(line)
  }
  flush()
  return wrapped
}

/** Comments that stand alone on their lines, one under the other, are one text. */
const groupsOf = (comments, sourceLines) => {
  const groups = []
  for (const comment of comments) {
    const { line, column } = comment.loc.start
    if (sourceLines[line - 1].slice(0, column).trim() !== '') {
      groups.push({ comments: [comment], isTrailing: true })
      continue
    }
    const last = groups.at(-1)
    const before = last?.comments.at(-1)
    const isNext =
      comment.type === 'Line' &&
      before?.type === 'Line' &&
      !last.isTrailing &&
      before.loc.end.line === line - 1 &&
      before.loc.start.column === column
    if (isNext) last.comments.push(comment)
    else groups.push({ comments: [comment], isTrailing: false })
  }
  return groups
}

const textOf = ([first, ...others], indent) => {
  if (first.type === 'Line') {
    const lines = [first, ...others].map(({ value }) => value.replace(/^ /, ''))
    return wrap(lines, WIDTH - indent.length - 3)
      .map((line) => `// ${line}`.trimEnd())
      .join(`\n${indent}`)
  }
  const lines = first.value
    .replace(/^\*/, '')
    .split('\n')
    .map((line, index) => (index === 0 ? line.trim() : line.replace(/^\s*\* ?/, '').trimEnd()))
  if (lines[0] === '') lines.shift()
  if (lines.at(-1) === '') lines.pop()
  const body = wrap(lines, WIDTH - indent.length - 3).map((line) => `${indent} * ${line}`.trimEnd())
  return [`/*${first.value.startsWith('*') ? '*' : ''}`, ...body, `${indent} */`].join('\n')
}

/** Comments wrap at 120 columns. `--fix` wraps those that stand alone. */
export default {
  meta: {
    type: 'layout',
    fixable: 'whitespace',
    schema: [],
    messages: { wide: 'This comment is wider than {{width}} columns.' },
  },
  create: (context) => ({
    'Program:exit': () => {
      const { sourceCode } = context
      const { lines } = sourceCode
      for (const { comments, isTrailing } of groupsOf(sourceCode.getAllComments(), lines)) {
        const [first] = comments
        const last = comments.at(-1)
        if (first.type === 'Shebang' || first.value.trim().startsWith('eslint-')) continue
        const own = lines.slice(first.loc.start.line - 1, last.loc.end.line)
        if (own.every((line) => line.length <= WIDTH)) continue
        const indent = lines[first.loc.start.line - 1].slice(0, first.loc.start.column)
        // What cannot be broken, such as an address, is left.
        const text = isTrailing ? undefined : textOf(comments, indent)
        const [from, to] = [first.range[0], last.range[1]]
        if (text === sourceCode.text.slice(from, to)) continue
        context.report({
          loc: { start: first.loc.start, end: last.loc.end },
          messageId: 'wide',
          data: { width: String(WIDTH) },
          fix: text === undefined ? null : (fixer) => fixer.replaceTextRange([from, to], text),
        })
      }
    },
  }),
}
