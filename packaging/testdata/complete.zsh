# complete.zsh DIRECTORY WORDS: what zsh offers behind "milepost WORDS". It completes only
# at a terminal, so this gives one to it, and prints what compadd is told.
zmodload zsh/zpty
zpty z zsh -f -i
until_line() { local l; while zpty -r z l; do [[ $l == *$1* ]] && return; done }
zpty -w z "PS1= PROMPT_EOL_MARK=; stty -echo; fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w z 'offered() {
  compadd() {
    if [[ " $* " == *" -"[OAD]" "* ]]; then builtin compadd "$@"; return; fi
    local -a hits; builtin compadd -O hits "$@"; print -l -- $hits; builtin compadd "$@"
  }
  print -l "" OFFERED; _main_complete; print -l END
}
zle -C offered complete-word offered; bindkey "^X" offered; echo REA""DY'
until_line READY
zpty -n -w z "milepost $2"$'\x18'
until_line OFFERED
while zpty -r z l; do
  l=${l%%$'\r'*}
  [[ $l == END ]] && break
  print -r -- $l
done
zpty -d z
