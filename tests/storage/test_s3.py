from clipsum import storage

def test_what_is_written_is_read(s3):
    storage.write_bytes(f"{s3.uri}/a", b"abc")
    assert storage.read_bytes(f"{s3.uri}/a") == b"abc"
