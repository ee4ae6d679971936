#!/usr/bin/env perl
# Turns a test of MariaDB's own suite into SQL that leaves behind what the test would have dropped.
#
#   mariadb-regression.pl FOLDER NAME renamed|kept < TEST.test > TEST.sql
#
# The language of the suite is read as far as this needs: files that it includes from FOLDER, variables, another
# delimiter; both sides of a condition and one round of a loop are taken. Of the statements, those stay that make
# something in the database or write rows. A client that goes on after errors runs the result: a test is full of
# statements that are meant to fail.
#
# `renamed`: a table that the test drops, or leaves, gets the name NAME_number_table: all of them are kept, in
# every state they were in. Views are dropped, since they do not follow their tables.
# `kept`: nothing is dropped, and each routine, view, trigger and event is made under a new name.
use strict;
use warnings;

my ($folder, $name, $mode) = @ARGV;
my $kept = $mode eq 'kept';
my ($delimiter, $number, %variables, %tables, %views) = (';', 0);
my $COMMANDS = qr/^(?:append_file|cat_file|change_user|character_set|chmod|connect|connection|copy_files?|dec|delimiter
    |diff_files|die|dirty_close|disable_\w+|disconnect|echo|enable_\w+|end|error|eval|exec|execw|exit|file_exists
    |horizontal_results|if|inc|let|list_files\w*|lowercase_result|mkdir|move_file|output|perl|ping|query|query_\w+
    |real_sleep|reap|remove_files?\w*|replace_\w+|require|reset_connection|result|result_format|rmdir|save_master_pos
    |send|send_eval|send_quit|shutdown_server|skip|sleep|sorted_result|source|start_timer|sync_\w+|system|evalp
    |vertical_results|wait_for_slave_to_stop|while|write_file)\b/xi;
my $TABLE = qr/(?:`[^`]+`|[\w\$]+)/;

print "SET sql_mode = DEFAULT, default_storage_engine = InnoDB;\n";
convert(do { local $/; <STDIN> }, 0);
rename_table($_) for $kept ? () : sort keys %tables;
print "DROP VIEW IF EXISTS $_;\n" for sort keys %views;

sub convert {
    my ($text, $depth) = @_;
    # Whole blocks that are data of the test's.
    $text =~ s/^\s*(?:--)?\s*(perl|write_file|append_file)\b[^;\n]*(?:[^\n]*?\b(\w+)\s*)?;?\n.*?^EOF\n?//gmsi;
    my $pending = '';
    for my $line (split /\n/, $text) {
        if ($pending !~ /\S/) {
            $pending = '';
            next if $line =~ /^\s*(?:#|$)/;
            if ($line =~ /^\s*--\s*(.*)/) {
                command($1, $depth);
                next;
            }
            $line =~ s/^\s*[{}]+\s*//;
            next if $line =~ /^\s*(?:(?:if|while)\s*\(.*|[{}\s]*)$/i;
        }
        $pending .= "$line\n";
        next if index($line, $delimiter) < 0;
        while ((my $at = end_of($pending)) >= 0) {
            my $statement = substr $pending, 0, $at;
            $pending = substr $pending, $at + length $delimiter;
            take($statement, $depth);
        }
        # What follows a statement on its line may be a remark.
        $pending = '' if $pending =~ /^\s*(?:#.*)?\s*$/;
    }
}

# Where the statement ends: the delimiter outside of quotes.
sub end_of {
    my ($text) = @_;
    my $first = quotemeta substr $delimiter, 0, 1;
    while ($text =~ /\G(?:[^'"`\/$first]+|'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'|"[^"\\]*(?:(?:\\.|"")[^"\\]*)*"|`[^`]*`|\/\*.*?\*\/
        |(?!\Q$delimiter\E).)/gcsx) { }
    my $at = pos($text) // 0;
    return substr($text, $at, length $delimiter) eq $delimiter ? $at : -1;
}

sub command {
    my ($command, $depth) = @_;
    $command =~ s/;?\s*$//;
    if ($command =~ /^delimiter\s+(\S+)/i) {
        $delimiter = $1;
    } elsif ($command =~ /^let\s+\$(\w+)\s*=\s*(.*)/is) {
        $variables{$1} = $2 unless $2 =~ /^`|query_get_value/;
    } elsif ($command =~ /^source\s+(\S+)/i && $depth < 5) {
        my $file = substituted($1);
        for my $place ("$folder/$file", "$folder/main/$file", "$folder/mysql-test/$file") {
            next unless -f $place;
            next if $file =~ /have_|not_|wait_|restart|count_sessions|analyze|master-slave|no_/;
            open my $in, '<:raw', $place or last;
            convert(do { local $/; <$in> }, $depth + 1);
            last;
        }
    } elsif ($command =~ /^(?:evalp?|send|send_eval|query)\s+(.*)/is) {
        take(substituted($1), $depth);
    }
}

sub substituted {
    my ($text) = @_;
    $text =~ s/\$(\w+)/$variables{$1} \/\/ "\$$1"/ge;
    return $text;
}

sub take {
    my ($statement, $depth) = @_;
    $statement =~ s/^(?:\s*(?:#|-- )[^\n]*\n|\s+)+//;
    return command($statement, $depth) if $statement =~ $COMMANDS;
    # What reaches out of the database, or would keep the next test from its own.
    return if $statement =~ /\bmysql\.|information_schema|performance_schema|\bglobal\b|outfile|dumpfile|load_file
        |\btemporary\b|\bdirectory\b|connection\s*=|engine\s*=?\s*(?:merge|mrg_myisam|federated|spider|connect|csv|mroonga|rocksdb)
        |discard\s+tablespace|import\s+tablespace|sleep\s*\(|benchmark\s*\(|get_lock|debug|max_statement_time|\bmysqltest\d?\b|\btest\d?\./xi;
    return if $statement =~ /(?:default_storage_engine|storage_engine|autocommit|foreign_key_checks|read_only|sql_log_bin
        |tx_|transaction|max_\w+|rand_seed|insert_id|sql_safe|sql_select|sql_quote|sql_warnings|autocommit)\s*=/xi
        && $statement =~ /^set\b/i;
    return dropped($statement) if $statement =~ /^drop\b/i;
    return unless $statement =~ /^(?:create|alter|insert|update|delete|replace|set|truncate|rename)\b/i;
    return if $statement =~ /^(?:create|alter)\s+(?:or\s+replace\s+)?(?:user|role|server|database|schema|aggregate)\b|^set\s+password/i;
    if ($statement =~ /(?:^|\bfor\s+)create\s+(?:or\s+replace\s+)?table\s+(?:if\s+not\s+exists\s+)?($TABLE)/i) {
        $tables{$1} = 1;
    } elsif (!$kept && $statement =~ /^create\b.*?\bview\s+(?:if\s+not\s+exists\s+)?($TABLE)/is) {
        $views{$1} = 1;
    }
    return if !$kept && $statement =~ /^create\b[^(]*?\b(?:procedure|function|event|package)\b/is;
    if ($kept) {
        my $new = sprintf '`%s_%d', $name, ++$number;
        $statement =~ s/^(create\b[^(]*?\b(?:procedure|function|event|trigger|view)\s+(?:if\s+not\s+exists\s+)?)`?(\w+)`?/$1${new}_$2`/is;
    }
    put($statement);
}

sub put {
    my ($statement) = @_;
    $statement =~ s/\s+$//;
    return print "$statement;\n" if $statement !~ /;/;
    print "DELIMITER \$\$\$\$\n$statement\n\$\$\$\$\nDELIMITER ;\n";
}

sub dropped {
    my ($statement) = @_;
    return if $kept;
    return put($statement) if $statement =~ /^drop\s+(?:view|trigger|sequence|index)\b/i;
    return unless $statement =~ /^drop\s+tables?\s+(?:if\s+exists\s+)?(.*)/is;
    rename_table($_) for split /\s*,\s*/, $1 =~ s/\s+(?:restrict|cascade|wait\s+\d+|nowait)?\s*$//ir;
}

sub rename_table {
    my ($table) = @_;
    return unless $table =~ /^$TABLE$/ && delete $tables{$table};
    (my $bare = $table) =~ s/`//g;
    printf "RENAME TABLE %s TO `%s_%d_%s`;\n", $table, $name, ++$number, substr $bare, 0, 20;
}
