//! A bucket that keeps versions of what is deleted: a key that is destroyed is gone from those too.

use lifeboat_tests::{LockingS3, restore, run};

use crate::company::{Company, DB1, sqlite_crm};

/// Old versions of wrapped keys and of approvals: those of names that list nothing any more.
const OLD: &str = "
pages = list(s3.get_paginator('list_object_versions').paginate(Bucket=bucket, Prefix='north/'))
there = {v['Key'] for p in pages for v in p.get('Versions', []) if v['IsLatest']}
for p in pages:
    for v in p.get('Versions', []):
        if v['Key'] not in there and (v['Key'].endswith('.age') or '/approve-' in v['Key']):
            print(v['Key'])
";

/// More of them than one answer lists, of a wrap that somebody deleted in his own way.
const MANY: &str = "
for n in range(550):
    s3.put_object(Bucket=bucket, Key='north/keys/high-1-00000000.age', Body=b'an old wrap')
    s3.delete_object(Bucket=bucket, Key='north/keys/high-1-00000000.age')
";

/// A wrap is deleted, and its version locked.
const LOCK: &str = "
import datetime
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
s3.put_object(Bucket=bucket, Key='north/keys/high-1-00000001.age', Body=b'an old wrap',
    ObjectLockMode='COMPLIANCE', ObjectLockRetainUntilDate=until)
s3.delete_object(Bucket=bucket, Key='north/keys/high-1-00000001.age')
";

fn shred(company: &Company) -> lifeboat_tests::Finished {
    let mut command = restore();
    command.args(["keys", "shred", "--grade", "high", "--yes", "--config"]).arg(company.config(DB1));
    command.arg("--identity").arg(company.identity("wang")).arg("--identity").arg(company.identity("li"));
    command.envs(company.store_environment());
    run(&mut command)
}

#[test]
fn a_key_that_is_destroyed_is_gone_from_every_version_and_what_is_left_is_told() {
    let server = LockingS3::start();
    let company = Company::with_store(server.url("north"), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.init(DB1);
    company.back_up(DB1);
    server.python(MANY);
    assert_eq!(server.python(OLD).lines().count(), 550);
    let told = shred(&company).success().stdout;
    assert!(told.contains("551 versions of old wrapped keys from"), "{told}");
    assert!(!told.contains("keeps versions"), "nothing is left to be told of: {told}");
    assert_eq!(server.python(OLD), "");
    let current = "
for o in s3.list_objects_v2(Bucket=bucket, Prefix='north/keys/')['Contents']:
    print(o['Key'])
";
    assert!(server.python(current).contains("high-2-"), "what is in force stays");
    company.back_up(DB1);
    company.verify();

    server.python(LOCK);
    let told = shred(&company).exits(3).stdout;
    assert!(told.contains("STILL THERE   keys/high-1-00000001.age, version"), "{told}");
    assert_eq!(server.python(OLD), "north/keys/high-1-00000001.age\n");
}

#[test]
fn a_bucket_without_versions_has_none_to_remove() {
    let server = LockingS3::start();
    let company = Company::with_store(server.plain_url("north"), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.init(DB1);
    company.back_up(DB1);
    let told = shred(&company).success().stdout;
    assert!(!told.contains("version"), "{told}");
}
