# Completion of endpoint_exporter for fish.

function __endpoint_exporter_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -e words[1]
    endpoint_exporter --completion-bash $words "$current" 2>/dev/null
end

complete -c endpoint_exporter -f -a '(__endpoint_exporter_complete)'
complete -c endpoint_exporter -l config.file -r -F
complete -c endpoint_exporter -l web.config.file -r -F
complete -c endpoint_exporter -l trust -r -F
complete -c endpoint_exporter -l save-certificates -r -F
