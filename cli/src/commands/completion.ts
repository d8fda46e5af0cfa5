import { Argument, type Command } from 'commander'
import { printPage } from '../output.ts'

type Shell = 'bash' | 'zsh' | 'fish'

/** The words that may follow a command: after `dlq` come `ls`, `show` and `replay`. */
const wordsOf = (command: Command, path: readonly string[] = []): readonly (readonly [string, string])[] => {
  const visible = command.commands.filter((one) => !one.name().startsWith('_'))
  const flags = command.options.flatMap(({ long }) => (long ? [long] : []))
  return [
    [path.join(' '), [...visible.map((one) => one.name()), ...flags, '--help'].join(' ')],
    ...visible.flatMap((one) => wordsOf(one, [...path, one.name()])),
  ]
}

const BASH = (words: string): string => `# bash completion of weir
_weir() {
  local path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || path="\${path:+$path }$word"
  done
  while :; do
    case "$path" in
${words}
    esac
    [[ -n $words || -z $path ]] && break
    [[ $path == *' '* ]] && path="\${path% *}" || path=''
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _weir weir`

const SCRIPTS: Readonly<Record<Shell, (program: Command) => string>> = {
  bash: (program) =>
    BASH(
      wordsOf(program)
        .map(([path, words]) => `      '${path}') words='${words}' ;;`)
        .join('\n'),
    ),
  zsh: (program) => `autoload -U +X bashcompinit && bashcompinit\n${SCRIPTS.bash(program)}`,
  fish: (program) =>
    wordsOf(program)
      .map(([path, words]) => {
        const seen = path
          .split(' ')
          .filter((word) => word !== '')
          .map((word) => `__fish_seen_subcommand_from ${word}`)
        const when = seen.length === 0 ? '__fish_use_subcommand' : seen.join('; and ')
        return `complete -c weir -n '${when}' -a '${words}'`
      })
      .join('\n'),
}

/** `weir completion <shell>`: for a `weir` on the path, or a shell function of that name. */
export const addCompletionCommand = (program: Command): void => {
  program
    .command('completion')
    .description('Prints a script that completes commands and options in your shell.')
    .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      '\nFor example: weir() { npm run -s weir -- "$@"; }; source <(weir completion bash)',
    )
    .action((shell: Shell) => printPage(SCRIPTS[shell](program)))
}
